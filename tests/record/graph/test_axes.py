"""Axes followed through views: back to the parameter, and forward to where they are split."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from inithealth.record.graph.axes import after, axis_of_parameter
from inithealth.record.graph.graph import Graph
from tests.record.reading import graph_of

Change = Callable[[Tensor], Tensor]


def graph(change: Change, *shape: int) -> tuple[Graph, int]:
    """Return the graph of a changed parameter, and its last node."""
    model = nn.Module()
    model.weight = nn.Parameter(torch.randn(shape))
    found = graph_of(model, change(model.weight))
    return found, len(found) - 1


BACK: dict[str, tuple[Change, tuple[int, ...], dict[int, int | None]]] = {
    "a copy": (lambda w: w.double(), (3, 4), {0: 0, 1: 1}),
    "t": (lambda w: w.t(), (3, 4), {0: 1, 1: 0}),
    "transpose": (lambda w: w.transpose(0, -1), (3, 4, 5), {0: 2, 1: 1, 2: 0}),
    "permute": (lambda w: w.permute(2, 0, -2), (3, 4, 5), {0: 2, 1: 0, 2: 1}),
    "an axis of one more": (lambda w: w.view(3, 1, 4), (3, 4), {0: 0, 1: None, 2: 1}),
    "an axis of one less": (lambda w: w.view(3, 4), (3, 1, 4), {0: 0, 1: 2}),
    "flattened": (lambda w: w.view(12), (3, 4), {0: None}),
    "regrouped": (lambda w: w.view(4, 3), (3, 4), {0: None, 1: None}),
    "one selected": (lambda w: w.select(1, 2), (3, 4, 5), {0: 0, 1: 2}),
    "several": (lambda w: w.t().view(4, 1, 3).transpose(0, 2), (3, 4), {0: 0, 1: None, 2: 1}),
    "two parameters' sum": (lambda w: w + w.t(), (3, 3), {0: None, 1: None}),
}


@pytest.mark.parametrize("name", BACK)
def test_the_axis_of_the_parameter(name: str) -> None:
    change, shape, expected = BACK[name]
    found, index = graph(change, *shape)
    assert {axis: axis_of_parameter(found, index, axis) for axis in expected} == expected
    assert axis_of_parameter(found, index, None) is None


FORWARD: dict[str, tuple[Change, tuple[int, ...], dict[int, set[int]]]] = {
    "a copy": (lambda x: x.double(), (3, 4), {0: {0}, 1: {1}}),
    "t": (lambda x: x.t(), (3, 4), {0: {1}, 1: {0}}),
    "transpose": (lambda x: x.transpose(0, -1), (3, 4, 5), {0: {2}, 1: {1}, 2: {0}}),
    "permute": (lambda x: x.permute(2, 0, -2), (3, 4, 5), {0: {1}, 1: {2}, 2: {0}}),
    "parted": (lambda x: x.view(3, 2, 2), (3, 4), {0: {0}, 1: {1, 2}}),
    "flattened": (lambda x: x.view(12), (3, 4), {0: set(), 1: set()}),
    "the first parted": (lambda x: x.view(2, 3, 4), (6, 4), {0: {0, 1}, 1: {2}}),
    "one selected": (lambda x: x.select(1, 2), (3, 4, 5), {0: {0}, 2: {1}}),
    "mixed": (lambda x: x @ x.t(), (3, 3), {0: set(), 1: set()}),
}


@pytest.mark.parametrize("name", FORWARD)
def test_the_axes_after_a_view(name: str) -> None:
    change, shape, expected = FORWARD[name]
    found, index = graph(change, *shape)
    assert {axis: after(found, index, frozenset({axis}), shape) for axis in expected} == expected
    assert after(found, index, frozenset(), shape) == frozenset()


def test_several_axes_are_followed_together() -> None:
    found, index = graph(lambda x: x.view(3, 2, 2), 3, 4)
    assert after(found, index, frozenset({0, 1}), (3, 4)) == {0, 1, 2}

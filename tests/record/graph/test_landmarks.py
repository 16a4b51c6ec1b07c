"""The node whose signal another node passes on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from inithealth.record.graph.dominators import immediate_dominators
from inithealth.record.graph.landmarks import Landmarks
from inithealth.record.graph.normalization import norms
from inithealth.record.graph.operations import operations
from tests.record.graph.small_nets import layer_norm
from tests.record.reading import graph_of


def marks(way: Callable[[Tensor], Tensor], model: nn.Module | None = None) -> Landmarks:
    graph = graph_of(model or nn.Module(), way(torch.randn(2, 6, requires_grad=True) * 2))
    return Landmarks(graph, operations(graph), norms(graph), immediate_dominators(graph))


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        (lambda x: x.relu(), "Mul"),
        (lambda x: x - x.mean(-1, keepdim=True), "Mul"),
        (lambda x: x.mean(-1, keepdim=True) - x, None),
        (lambda x: x - x.exp().mean(-1, keepdim=True), None),
        (lambda x: x + x.tanh(), None),
        (layer_norm, "Sub"),
    ],
    ids=["one", "centered", "turned round", "another mean", "a sum", "a norm"],
)
def test_the_previous_node(way: Callable[[Tensor], Tensor], expected: str | None) -> None:
    found = marks(way)
    before = found.before(len(found.graph) - 1)
    assert (found.graph.names[before] if before >= 0 else None) == expected


def test_a_layer_is_weighted_and_a_norm_is_not() -> None:
    model = nn.Sequential(nn.Linear(6, 6), nn.LayerNorm(6))
    found = marks(model, model)
    assert {found.graph.names[node]: found.weighted(node) for node in found.operations} == {
        "Addmm": True,
        "NativeLayerNorm": False,
    }

"""Parts of a signal: which part a node selects, and whether two parts overlap."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from inithealth.record.graph.graph import Graph
from inithealth.record.graph.slices import Selection, is_other_part, pieces, taken
from tests.record.reading import graph_of


def graph(way: Callable[[Tensor], Tensor]) -> Graph:
    """Return the graph of a function of one signal of 2 x 6 elements."""
    return graph_of(nn.Module(), way(torch.randn(2, 6, requires_grad=True) * 2))


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        (lambda x: x[:, 1:4], (1, 1, 4)),
        (lambda x: x[:, -2:], (1, 4, 6)),
        (lambda x: x[:, :-1], (1, 0, 5)),
        (lambda x: x[1:], (0, 1, 2)),
        (lambda x: x.narrow(-1, 2, 3), (1, 2, 5)),
        (lambda x: x[:, 3], (1, 3, 4)),
        (lambda x: x.select(-1, -1), (1, 5, 6)),
        (lambda x: x.relu(), None),
        (lambda x: x.chunk(2, -1)[0], None),
    ],
)
def test_the_selection_of_a_node(way: Callable[[Tensor], Tensor], expected: tuple[int, int, int] | None) -> None:
    found = graph(way)
    assert taken(found, len(found) - 1) == expected


def test_the_pieces_of_a_split() -> None:
    found = graph(lambda x: torch.cat([x.split([1, 2, 3], 1)[0], x], 1))
    assert pieces(found, next(at for at, name in enumerate(found.names) if name.startswith("Split"))) == [
        (2, 1),
        (2, 2),
        (2, 3),
    ]
    assert pieces(found, 0) == [(2, 6)]


def siblings(one: Callable[[Tensor], Tensor], other: Callable[[Tensor], Tensor]) -> bool:
    """Return whether the second function selects another part than the first."""
    found = graph(lambda x: one(x).sum() + other(x).sum())
    first, second = (found.edges[at][0][0] for at, name in enumerate(found.names) if name == "Sum")
    return is_other_part(found, [Selection(first, 0)], second, *found.edges[second][0])


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (lambda x: x[:, :3], lambda x: x[:, 3:], True),
        (lambda x: x[:, :3], lambda x: x[:, 2:], False),
        (lambda x: x[:, 3:], lambda x: x[:, :3], True),
        (lambda x: x[:, :3], lambda x: x[:1], False),
        (lambda x: x[:, 2], lambda x: x[:, 3], True),
        (lambda x: x[:, 2], lambda x: x[:, 2], False),
        (lambda x: x[:, :3], lambda x: x.relu(), False),
    ],
)
def test_disjoint_parts_of_one_signal(
    one: Callable[[Tensor], Tensor], other: Callable[[Tensor], Tensor], expected: bool
) -> None:
    assert siblings(one, other) is expected


def test_another_output_of_one_split_is_another_part() -> None:
    found = graph(lambda x: x.chunk(2, -1)[0] + x.chunk(2, -1)[1])
    split = next(at for at, name in enumerate(found.names) if name == "Split")
    reader = found.consumers[split][0][0]
    assert is_other_part(found, [Selection(split, 0)], reader, split, 1)
    assert not is_other_part(found, [Selection(split, 1)], reader, split, 1)
    assert not is_other_part(found, [], reader, split, 1)

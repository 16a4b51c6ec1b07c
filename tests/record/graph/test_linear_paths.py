"""Paths with only views, sums and constant factors."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from inithealth.record.graph.linear_paths import is_term, number_of, origin_of
from tests.record.reading import graph_of

X = torch.randn(5, 6)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (lambda y: (1 - 0.5 * y).sum(1).mean(), True),
        (lambda y: (y.exp() + y).mean(), True),
        (lambda y: y.exp().mean(), False),
        (lambda y: (y * y.detach()).mean(), False),
        (lambda y: y * 2, False),
    ],
)
def test_terms_of_the_loss(after: Callable[[Tensor], Tensor], expected: bool) -> None:
    model = nn.Linear(6, 3)
    graph = graph_of(model, after(model(X)))
    assert is_term(graph, graph.names.index("Addmm")) == expected


@pytest.mark.parametrize(
    ("after", "sign"),
    [(lambda y: y / 2, 1.0), (lambda y: -y.view(3, 5), -1.0), (lambda y: -3 * (-2 * y), 1.0), (lambda y: y, 1.0)],
)
def test_the_origin_of_a_multiple(after: Callable[[Tensor], Tensor], sign: float) -> None:
    model = nn.Linear(6, 3)
    graph = graph_of(model, after(model(X)))
    assert origin_of(graph, len(graph) - 1) == (graph.names.index("Addmm"), sign)


def test_the_number_of_a_product() -> None:
    model = nn.Linear(6, 3)
    for output, number in ((model(X) * 3, 3.0), (model(X) / 4, 4.0), (model(X) * X[:, :3], 0.0), (model(X) + 3, 0.0)):
        graph = graph_of(model, output)
        assert number_of(graph, len(graph) - 1) == number

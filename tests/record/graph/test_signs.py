"""Values that activations keep from being negative."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from inithealth.record.graph.signs import limiting_activation
from tests.record.reading import graph_of

X = torch.randn(5, 6)


@pytest.mark.parametrize(
    ("after", "name"),
    [
        (lambda y: y.relu(), "relu"),
        (lambda y: (y.relu()[:2] * y.relu()[2:4]).sum(1) / 4, "relu"),
        (lambda y: y.relu() @ y.relu().T, "relu"),
        (lambda y: y.relu() + y.sigmoid(), "sigmoid"),
        (lambda y: y.relu().mean(1), "relu"),
        (lambda y: y, ""),
        (lambda y: y.relu() - 1, ""),
        (lambda y: -2 * y.relu(), ""),
        (lambda y: y.relu() * y, ""),
        (lambda y: y.relu() + y, ""),
        (lambda y: y.tanh() @ y.relu().T, ""),
    ],
)
def test_values_that_are_never_negative(after: Callable[[Tensor], Tensor], name: str) -> None:
    model = nn.Linear(6, 3)
    graph = graph_of(model, after(model(X)))
    found = limiting_activation(graph, len(graph) - 1)
    assert found == name or (name and found in ("relu", "sigmoid"))


def test_a_learned_factor_may_be_negative() -> None:
    model = nn.Sequential(nn.Linear(6, 3), nn.ReLU(), nn.Linear(3, 1))
    graph = graph_of(model, model(X))
    assert limiting_activation(graph, len(graph) - 1) == ""

"""Losses without a node of their own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth.record.graph.written_losses import written_loss
from tests.record.reading import graph_of

X, TARGET = torch.randn(5, 6), torch.randn(5, 3)

LOSSES: dict[str, tuple[str, Callable[[Tensor], Tensor]]] = {
    "F.l1_loss": ("l1", lambda y: F.l1_loss(y, TARGET)),
    "summed": ("l1", lambda y: F.l1_loss(y, TARGET, reduction="sum")),
    "by hand": ("l1", lambda y: (TARGET - y).abs().mean()),
    "mean of means": ("l1", lambda y: (y - TARGET).abs().sum(1).mean()),
    "weighed": ("l1", lambda y: 0.5 * ((y - TARGET).abs() * TARGET.abs()).mean()),
    "to another output": ("l1", lambda y: F.l1_loss(y, y.detach() + 1)),
    "squares by hand": ("mse", lambda y: ((y - TARGET) ** 2).mean()),
    "summed over features": ("mse", lambda y: (5 * ((y - TARGET) ** 2).sum(1)).mean()),
    "a product with itself": ("mse", lambda y: (lambda d: (d * d).mean())(y - TARGET)),
    "a factor inside": ("mse", lambda y: ((0.5 * (y - TARGET)) ** 2).mean()),
    "root of the mean": ("mse", lambda y: ((y - TARGET) ** 2).mean().sqrt()),
    "squares with a penalty": ("mse", lambda y: (y - TARGET).pow(2).mean() + 0.1 * y.abs().mean()),
}
NO_LOSSES: dict[str, Callable[[Tensor], Tensor]] = {
    "sparsity": lambda y: y.abs().mean(),
    "energy": lambda y: (y**2).mean(),
    "variance": lambda y: ((y - y.mean(0)) ** 2).mean(),
    "Charbonnier": lambda y: (((y - TARGET) ** 2) + 1e-6).sqrt().mean(),
    "a mean of roots": lambda y: ((y - TARGET) ** 2).sum(1).sqrt().mean(),
    "another product": lambda y: ((y - TARGET) * y).mean(),
    "cubes": lambda y: ((y - TARGET) ** 3).mean(),
    "a distance within": lambda y: (y - TARGET).abs().mean(1).softmax(0)[0],
    "mse_loss": lambda y: F.mse_loss(y, TARGET),
}


def kinds(loss: Callable[[Tensor], Tensor]) -> set[str]:
    model = nn.Linear(6, 3)
    graph = graph_of(model, loss(model(X)))
    return {kind for index in range(len(graph)) if (kind := written_loss(graph, index)) is not None}


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_recognized_by_its_differences(name: str) -> None:
    kind, loss = LOSSES[name]
    assert kinds(loss) == {kind}


@pytest.mark.parametrize("name", NO_LOSSES)
def test_other_operations_are_not_losses(name: str) -> None:
    assert kinds(NO_LOSSES[name]) == set()

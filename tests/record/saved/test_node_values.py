"""The output of a node, recomputed from saved tensors."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth.record.saved.node_values import values_of
from tests.record.reading import Written, flow_behind

X, CHOSEN = torch.randn(6, 4), torch.arange(6) % 3


def values(model: nn.Module, output: Tensor, rows: int | None = None) -> Tensor | None:
    flow = flow_behind(model, output)
    return values_of(flow, len(flow.graph) - 1, dict(model.named_parameters()).get, rows)


AFTER: dict[str, Callable[[Tensor], Tensor]] = {
    "nothing": lambda y: y,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "softplus": F.softplus,
    "hardtanh": F.hardtanh,
    "a factor": lambda y: 3 * torch.tanh(y) / 2,
    "a sign": lambda y: -y,
    "views": lambda y: y.reshape(3, 6).unsqueeze(0),
    "the chosen column": lambda y: y[torch.arange(6), CHOSEN],
    "gathered columns": lambda y: y.relu().gather(1, CHOSEN[:, None]).squeeze(1),
    "one column": lambda y: y[:, 1],
}


@pytest.mark.parametrize("name", AFTER)
def test_values_after_a_layer(name: str) -> None:
    model = nn.Linear(4, 3)
    output = AFTER[name](model(X))
    found = values(model, output)
    assert found is not None
    torch.testing.assert_close(found, output.detach())


def test_values_of_the_first_samples() -> None:
    model = nn.Linear(4, 3)
    output = model(X).relu() * 2
    found = values(model, output, rows=4)
    assert found is not None
    torch.testing.assert_close(found, output[:4].detach())


def test_a_bias_that_is_added_separately() -> None:
    model = Written(
        lambda net, x: x @ net.weight + net.bias,
        weight=nn.Parameter(torch.randn(4, 3)),
        bias=nn.Parameter(torch.randn(3)),
    )
    output = model(X)
    found = values(model, output)
    assert found is not None
    torch.testing.assert_close(found, output.detach())


def test_values_that_cannot_be_recomputed() -> None:
    model = nn.Linear(4, 3)
    for output in (model(X) + torch.ones(3), model(X) * model(2 * X), model(X).cumsum(1)):
        assert values(model, output) is None
    assert values(model, model(X)[CHOSEN, CHOSEN], rows=2) is None

"""The optimizer option."""

from __future__ import annotations

import pytest
from torch import nn
from torch.optim import SGD, Adam, AdamW

from inithealth.cli.errors import BadInput
from inithealth.cli.optimizers import kind_of, optimizer_of


@pytest.mark.parametrize(
    ("text", "kind", "rate"),
    [("sgd", SGD, 0.01), ("adam", Adam, 1e-3), ("adamw:0.5", AdamW, 0.5), ("sgd:0.1", SGD, 0.1)],
)
def test_an_optimizer_with_its_rate(text: str, kind: type, rate: float) -> None:
    net = nn.Linear(2, 2)
    net.bias.requires_grad_(False)
    found = optimizer_of(text, net)
    assert type(found) is kind
    assert found.param_groups[0]["lr"] == rate
    assert found.param_groups[0]["params"] == [net.weight]


def test_there_is_no_optimizer_without_an_option_or_a_parameter() -> None:
    assert optimizer_of(None, nn.Linear(2, 2)) is None
    assert optimizer_of("sgd", nn.Linear(2, 2).requires_grad_(False)) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [("adm", "did you mean 'adam'"), ("sgd:fast", "'fast' is not a learning rate"), ("", "known: adam")],
)
def test_a_misspelled_optimizer_is_rejected(text: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        kind_of(text)

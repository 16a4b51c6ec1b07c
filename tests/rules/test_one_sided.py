"""Means and scales of distributions that an activation keeps from being negative, in whole models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal

import inithealth
from inithealth import Finding, Severity
from tests.record.reading import Written

STATES, ACTIONS, ADVANTAGES = torch.randn(64, 6), torch.randn(64, 2), torch.randn(64)


def found(bound: Callable[[Tensor], Tensor]) -> list[Finding]:
    """The findings of loss-at-init on a Gaussian policy, whose log-std is bounded in some way."""

    def forward(net: Any, states: Tensor) -> tuple[Tensor, Tensor]:
        hidden = net.body(states)
        return net.mean(hidden), bound(net.log_std(hidden))

    def loss(output: tuple[Tensor, Tensor]) -> Tensor:
        return -(Normal(output[0], output[1].exp()).log_prob(ACTIONS).sum(1) * ADVANTAGES).mean()

    torch.manual_seed(0)
    body = nn.Sequential(nn.Linear(6, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh())
    model = Written(forward, body=body, mean=nn.Linear(64, 2), log_std=nn.Linear(64, 2))
    return [each for each in inithealth.check(model, STATES, loss=loss).findings if each.code == "IH208"]


@pytest.mark.parametrize("bound", [torch.relu, nn.ReLU6(), nn.Softplus()])
def test_a_policy_whose_std_is_at_least_one(bound: Callable[[Tensor], Tensor]) -> None:
    (finding,) = found(bound)
    assert (finding.severity, finding.layers) == (Severity.WARNING, ("log_std",))
    assert "of a distribution is never negative" in finding.message
    assert "remove the" in finding.fix


@pytest.mark.parametrize("bound", [lambda s: s, lambda s: s.clamp(-20, 2), lambda s: 2 * torch.tanh(s)])
def test_policies_in_use(bound: Callable[[Tensor], Tensor]) -> None:
    assert found(bound) == []

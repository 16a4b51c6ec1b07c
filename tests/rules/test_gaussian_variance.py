"""The variances of a Gaussian likelihood, in networks as people write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Normal

import inithealth
from inithealth import Finding, Severity
from tests.record.reading import Written

X = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))
Y = torch.sin(X[:, :2]) + 0.3 * torch.randn(64, 2, generator=torch.Generator().manual_seed(1))
Criterion = Callable[[Tensor, Tensor], Tensor]

LIKELIHOODS: dict[str, Criterion] = {
    "called": lambda mu, s: F.gaussian_nll_loss(mu, Y, s.exp()),
    "by log-variance": lambda mu, s: (0.5 * (s + (Y - mu) ** 2 / s.exp())).mean(),
    "by precision": lambda mu, s: 0.5 * (s + (Y - mu) ** 2 * torch.exp(-s)).sum(1).mean(),
    "by log-std": lambda mu, s: (s / 2 + (mu - Y) ** 2 / (2 * torch.exp(s / 2) ** 2)).mean(),
    "a distribution": lambda mu, s: -Normal(mu, (s / 2).exp()).log_prob(Y).mean(),
}


def network() -> nn.Module:
    def forward(net: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        hidden = net.body(x)
        return net.mean(hidden), net.log_variance(hidden)

    torch.manual_seed(0)
    body = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
    return Written(forward, body=body, mean=nn.Linear(64, 2), log_variance=nn.Linear(64, 2))


def found(model: nn.Module, criterion: Criterion, **options: Any) -> list[Finding]:
    settings = {"rules": {"loss-at-init": options}}
    report = inithealth.check(model, X, loss=lambda output: criterion(*output), settings=settings)
    return [each for each in report.findings if each.code == "IH208"]


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_usual_variances(name: str) -> None:
    assert found(network(), LIKELIHOODS[name]) == []


@pytest.mark.parametrize("bias", [-9.0, 9.0])
@pytest.mark.parametrize("name", LIKELIHOODS)
def test_variances_that_are_far_too_small_or_too_large(name: str, bias: float) -> None:
    model = network()
    nn.init.constant_(model.log_variance.bias, bias)
    (finding,) = found(model, LIKELIHOODS[name])
    assert (finding.severity, finding.layers) == (Severity.ERROR, ("log_variance",))
    assert "Gaussian likelihood" in finding.message
    exec(finding.fix, {"model": model, "nn": nn})
    assert found(model, LIKELIHOODS[name]) == []


def test_a_head_of_variances_that_is_too_large() -> None:
    model = network()
    model.log_variance.weight.data.mul_(100.0)
    (finding,) = found(model, LIKELIHOODS["called"])
    assert finding.layers == ("log_variance",)


def test_a_head_of_means_that_is_too_large() -> None:
    model = network()
    model.mean.weight.data.mul_(300.0)
    assert {each.layers for each in found(model, LIKELIHOODS["by log-variance"])} == {("mean",)}


def test_large_targets_are_not_the_fault_of_the_variances() -> None:
    def raw(mu: Tensor, s: Tensor) -> Tensor:
        return F.gaussian_nll_loss(mu, 100 * Y, s.exp())

    assert found(network(), raw) == []


def test_extreme_variances_that_fit_the_targets() -> None:
    def scaled(mu: Tensor, s: Tensor) -> Tensor:
        return F.gaussian_nll_loss(mu, 100 * Y, s.exp())

    model = network()
    nn.init.constant_(model.log_variance.bias, 2 * float(torch.log(100 * Y.std())))
    assert found(model, scaled) == []


def test_options() -> None:
    model = network()
    nn.init.constant_(model.log_variance.bias, -5.0)
    (finding,) = found(model, LIKELIHOODS["called"])
    assert finding.severity == Severity.WARNING
    (finding,) = found(model, LIKELIHOODS["called"], error_log_variance=4.5)
    assert finding.severity == Severity.ERROR
    assert found(model, LIKELIHOODS["called"], max_excess=1000.0) == []
    assert found(model, LIKELIHOODS["called"], max_log_variance=7.0) == []

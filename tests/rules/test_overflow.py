"""Outputs that are too large for an exponential: the layer that computes them is the cause of an infinite loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import inithealth
from inithealth import Report, Severity
from tests.record.reading import Written
from tests.rules.nets import mlp

SIGNS = torch.where(torch.rand(64, 10, generator=torch.Generator().manual_seed(0)) < 0.5, 1.0, -1.0)
X, NOISE = torch.randn(32, 8), torch.randn(32, 2)


def logistic(output: Tensor) -> Tensor:
    return torch.log(1 + torch.exp(-SIGNS * output)).mean()


def autoencoder(scale: float) -> nn.Module:
    """A variational autoencoder whose log-variances are too large."""

    def forward(net: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hidden = net.encoder(x).relu()
        mean, log_var = net.mean(hidden), net.log_var(hidden)
        return net.decoder(mean + NOISE * (log_var / 2).exp()), mean, log_var

    torch.manual_seed(0)
    parts = {"encoder": nn.Linear(8, 32), "mean": nn.Linear(32, 2), "log_var": nn.Linear(32, 2)}
    model = Written(forward, **parts, decoder=nn.Linear(2, 8))
    parts["log_var"].weight.data.mul_(scale)
    return model


def evidence(output: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    decoded, mean, log_var = output
    return F.mse_loss(decoded, X) + 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(1).mean()


def checked(model: nn.Module, batch: Tensor, loss: Callable[[Any], Tensor]) -> Report:
    return inithealth.check(model, batch, loss=loss)


def test_a_head_whose_outputs_overflow_a_written_loss() -> None:
    model = mlp()
    assert [each for each in checked(model, torch.randn(64, 32), logistic).causes if each.code == "IH208"] == []
    model[8].weight.data.mul_(3000.0)
    report = checked(model, torch.randn(64, 32), logistic)
    found = next(each for each in report.findings if each.code == "IH208")
    assert (found.severity, found.layers, found.limit) == (Severity.ERROR, ("8",), pytest.approx(88.7, abs=0.1))
    assert report.causes[0].layers[0] == "8"
    exec(found.fix, {"model": model, "nn": nn})
    assert checked(model, torch.randn(64, 32), logistic).ok


def test_log_variances_that_overflow() -> None:
    assert checked(autoencoder(1.0), X, evidence).ok
    model = autoencoder(1e4)
    report = checked(model, X, evidence)
    (found,) = [each for each in report.findings if each.code == "IH208"]
    assert found.layers == ("log_var",)
    assert report.causes[0].layers[0] == "log_var"
    exec(found.fix, {"model": model, "nn": nn})
    assert checked(model, X, evidence).ok

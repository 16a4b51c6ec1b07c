"""Layers that set the mean or the log-scale of a distribution after a one-sided activation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Normal

from inithealth.record.graph.distribution_parameters import one_sided_parameters
from tests.record.reading import Written, flow_behind

X, NOISE, ACTIONS, DECAYED = torch.randn(8, 4), torch.randn(8, 3), torch.randn(8, 3), torch.rand(8, 3)
Net = Any


def network() -> nn.Module:
    return Written(
        lambda net, x: x,
        mu=nn.Linear(4, 3),
        scale=nn.Linear(4, 3),
        both=nn.Linear(4, 6),
        out=nn.Linear(3, 4),
        free=nn.Parameter(torch.zeros(3)),
    )


def roles(loss: Callable[[Net], Tensor]) -> set[tuple[str, str, str]]:
    model = network()
    flow = flow_behind(model, loss(model))
    names = {node: operation.weights[0].split(".")[0] for node, operation in flow.operations.items()}
    return {(found.layer, found.role, found.activation) for found in one_sided_parameters(flow, names)}


def vae(mu: Callable[[Tensor], Tensor], scale: Callable[[Tensor], Tensor]) -> Callable[[Net], Tensor]:
    def loss(net: Net) -> Tensor:
        mean, log_var = mu(net.mu(X)), scale(net.scale(X))
        divergence = -0.5 * (1 + log_var - mean.pow(2) - log_var.exp()).sum(1)
        return (F.mse_loss(net.out(mean + NOISE * torch.exp(0.5 * log_var)), X) + divergence).mean()

    return loss


def policy(net: Net, log_std: Callable[[Tensor], Tensor]) -> Tensor:
    likelihood = Normal(net.mu(X), log_std(net.scale(X)).exp()).log_prob(ACTIONS).sum(1)
    return -(likelihood * torch.randn(8)).mean()


def flow_step(net: Net, log_scale: Callable[[Tensor], Tensor]) -> Tensor:
    log_scale = log_scale(net.scale(X))
    z = ACTIONS * log_scale.exp() + net.mu(X)
    return (z.square().sum(1) / 2 - log_scale.sum(1)).mean()


def packed(net: Net) -> Tensor:
    mean, log_std = net.both(X).relu().chunk(2, 1)
    return net.out(mean + log_std.exp() * NOISE).square().mean()


def halves(net: Net) -> Tensor:
    mean, log_std = net.both(X).chunk(2, 1)
    return net.out(mean + log_std.relu().exp() * NOISE).square().mean()


ONE_SIDED: dict[str, tuple[Callable[[Net], Tensor], set[tuple[str, str, str]]]] = {
    "both heads": (vae(F.relu, F.relu), {("mu", "mean", "relu"), ("scale", "log_scale", "relu")}),
    "the log-variance": (vae(lambda m: m, F.softplus), {("scale", "log_scale", "softplus")}),
    "the mean": (vae(F.relu, lambda s: s), {("mu", "mean", "relu")}),
    "a policy": (lambda net: policy(net, F.relu), {("scale", "log_scale", "relu")}),
    "a policy with an upper bound": (
        lambda net: policy(net, lambda s: s.clamp(0, 2)),
        {("scale", "log_scale", "hardtanh")},
    ),
    "a policy with a clamp after the ReLU": (
        lambda net: policy(net, lambda s: s.relu().clamp(-20, 2)),
        {("scale", "log_scale", "relu")},
    ),
    "a coupling layer": (lambda net: flow_step(net, torch.sigmoid), {("scale", "log_scale", "sigmoid")}),
    "one layer for both": (packed, {("both", "log_scale", "relu")}),
    "one half": (halves, {("both", "log_scale", "relu")}),
    "a written likelihood": (
        lambda net: (lambda s: (0.5 * (s + (net.mu(X) - ACTIONS) ** 2 / s.exp())).mean())(net.scale(X).relu()),
        {("scale", "log_scale", "relu")},
    ),
}
SILENT: dict[str, Callable[[Net], Tensor]] = {
    "a plain autoencoder": vae(lambda m: m, lambda s: s),
    "a clamp on both sides": vae(lambda m: m, lambda s: s.clamp(-20, 2)),
    "a clamp after a leaky ReLU": vae(lambda m: m, lambda s: F.leaky_relu(s).clamp(-20, 2)),
    "an upper bound": vae(lambda m: m, lambda s: s.clamp(max=2)),
    "a hard tanh": lambda net: policy(net, F.hardtanh),
    "a bounded log-std": lambda net: policy(net, lambda s: -5 + 3.5 * (torch.tanh(s) + 1)),
    "an offset": lambda net: policy(net, lambda s: s.relu() - 5),
    "a tanh in a coupling layer": lambda net: flow_step(net, torch.tanh),
    "a leaky ReLU": vae(F.leaky_relu, F.leaky_relu),
    "a std from softplus": lambda net: -Normal(net.mu(X), F.softplus(net.scale(X))).log_prob(ACTIONS).mean(),
    "a log-std that is a parameter": lambda net: -Normal(net.mu(X), net.free.exp()).log_prob(ACTIONS).mean(),
    "softplus written out": lambda net: (lambda y: (y.relu() + (-y.abs()).exp().log1p()).mean())(net.scale(X)),
    "ELU written out": lambda net: (lambda y: (y.relu() + y.clamp(max=0).exp() - 1).mean())(net.scale(X)),
    "softmax written out": lambda net: (lambda e: (e / e.sum(1, keepdim=True)).square().mean())(
        net.scale(X).relu().exp()
    ),
    "a shifted log-sum-exp": lambda net: (lambda y, m: (m + (y - m).exp().sum(1).log()).mean())(
        net.scale(X), net.scale(X).max().detach()
    ),
    "a decay": lambda net: net.out((-net.scale(X).relu()).exp() * DECAYED + net.mu(X)).square().mean(),
    "a decay of a signed state": lambda net: net.out((-net.scale(X).relu()).exp() * NOISE + net.mu(X)).square().mean(),
    "a gate": lambda net: net.out(net.scale(X).relu().exp() * net.mu(X)).square().mean(),
    "a positive mean without a prior": lambda net: -Normal(net.mu(X).relu(), net.free.exp()).log_prob(ACTIONS).mean(),
}  # fmt: skip


@pytest.mark.parametrize("name", ONE_SIDED)
def test_parameters_that_are_never_negative(name: str) -> None:
    loss, expected = ONE_SIDED[name]
    assert roles(loss) == expected


@pytest.mark.parametrize("name", SILENT)
def test_parameters_on_both_sides_and_other_exponentials(name: str) -> None:
    assert roles(SILENT[name]) == set()

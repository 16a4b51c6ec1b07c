"""The properties of the whole network in a recording."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.record.reading import Written, read

X = torch.randn(6, 4)


def block(net: Any, x: Tensor) -> Tensor:
    x = net.stem(x)
    return net.head(x + net.scale * net.last(net.first(net.norm(x)).relu()))


def network(scale: float = 1.0, way: Callable[..., Tensor] = block) -> Written:
    torch.manual_seed(0)
    linear = {name: nn.Linear(4, 4) for name in ("stem", "first", "last", "head")}
    return Written(way, **linear, norm=nn.LayerNorm(4), scale=nn.Parameter(torch.full((4,), scale)))


def test_a_residual_network_with_norms() -> None:
    found = read(network(), X).recording
    assert (found.model, found.graph, found.exact) == ("Written", True, True)
    assert (found.normalized, found.trunk_normalized, found.branches) == (True, False, 1)
    assert not found.differentiated
    assert [signal.numel for signal in found.inputs.values()] == [24]


def test_a_plain_network() -> None:
    found = read(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)), X).recording
    assert (found.normalized, found.trunk_normalized, found.branches, found.layer_scale) == (False, False, 0, False)


@pytest.mark.parametrize(("scale", "expected"), [(1e-4, True), (0.49, True), (0.5, False), (1.0, False)])
def test_learned_scales_that_start_near_zero(scale: float, expected: bool) -> None:
    assert read(network(scale), X).recording.layer_scale is expected


@pytest.mark.parametrize(("part", "expected"), [("last", True), ("first", False), ("head", False)])
def test_a_zero_branch_end_counts_as_one(part: str, expected: bool) -> None:
    model = network()
    nn.init.zeros_(getattr(model, part).weight)
    assert read(model, X).recording.layer_scale is expected


def test_a_loss_with_derivatives() -> None:
    def penalty(output: Tensor) -> Tensor:
        (slope,) = torch.autograd.grad(F.softplus(output).sum(), x, create_graph=True)
        return slope.square().sum()

    x = X.clone().requires_grad_()
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1))
    captured = Written(lambda net, y: net.body(x), body=model)
    assert read(captured, X, loss=penalty).recording.differentiated
    assert not read(captured, X).recording.differentiated

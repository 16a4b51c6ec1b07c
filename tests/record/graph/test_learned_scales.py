"""Learned scales between a signal and the next layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.record.graph.small_nets import (
    SEQUENCES,
    flow,
)
from tests.record.reading import Written


def scaled(net: Any, x: Tensor) -> Tensor:
    return cast(Tensor, x + net.alpha * net.last(net.first(x).relu()))


def layer_scaled(net: Any, x: Tensor) -> Tensor:
    return cast(Tensor, x + net.gamma * F.dropout(net.last(net.norm(net.first(x)).relu()), 0.0))


def norm_ended(net: Any, x: Tensor) -> Tensor:
    return cast(Tensor, x + net.norm(net.last(net.first(x).relu())))


def fused(net: Any, x: Tensor) -> Tensor:
    return torch.addcmul(x, net.gamma.expand(2, 3, 6), net.last(net.first(x).relu()))


SCALES: dict[str, tuple[Callable[[Any, Tensor], Tensor], dict[str, tuple[str, ...]]]] = {
    "ReZero": (scaled, {"first": (), "last": ("alpha",)}),
    "LayerScale": (layer_scaled, {"first": ("norm.weight",), "last": ("gamma",)}),
    "a norm at the end": (norm_ended, {"first": (), "last": ("norm.weight",)}),
    "addcmul": (fused, {"first": (), "last": ("gamma",)}),
}


@pytest.mark.parametrize("name", SCALES)
def test_learned_scales_after_an_output(name: str) -> None:
    way, wanted = SCALES[name]
    linear = {part: nn.Linear(6, 6) for part in ("stem", "first", "last", "head")}
    scales = {"alpha": nn.Parameter(torch.zeros(1)), "gamma": nn.Parameter(torch.ones(6)), "norm": nn.LayerNorm(6)}
    model = Written(lambda net, x: net.head(way(net, net.stem(x))), **linear, **scales)
    _, layers = flow(model, SEQUENCES)
    assert {part: layers[part].scales for part in wanted} == wanted
    assert layers["stem"].scales == layers["head"].scales == ()  # the trunk bypasses them

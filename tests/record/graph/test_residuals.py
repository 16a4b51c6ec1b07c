"""Residual branches: how they are added to the trunk, and which layers end them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.record.graph.small_nets import (
    SEQUENCES,
    X,
    flow,
    linear,
    parameter,
    place,
)
from tests.record.reading import Written, read

# Residual blocks with a stem, a branch of two layers and a head, and different ways to add the branch.
JOINS: dict[str, Callable[[Any, Tensor, Tensor], Tensor]] = {
    "x + f": lambda net, x, f: x + f,
    "f + x": lambda net, x, f: f + x,
    "f += x": lambda net, x, f: f.add_(x),
    "x - f": lambda net, x, f: x - f,
    "torch.add with a factor": lambda net, x, f: torch.add(x, f, alpha=0.1),
    "scaled by constants": lambda net, x, f: 0.5 * x + 0.1 * f,
    "behind dropout": lambda net, x, f: x + F.dropout(f, 0.1),
    "lerp": lambda net, x, f: torch.lerp(x, f, 0.3),
    "ReZero": lambda net, x, f: x + net.alpha * f,
    "layer scale": lambda net, x, f: x + net.scale * f,
    "addcmul": lambda net, x, f: torch.addcmul(x, net.scale.expand_as(f), f),
}


def residual(join: Callable[[Any, Tensor, Tensor], Tensor]) -> Written:
    def forward(net: Any, x: Tensor) -> Tensor:
        x = net.stem(x)
        return net.head(join(net, x, net.last(net.first(x).relu())))

    parts = {"alpha": parameter(1), "scale": parameter(6)}
    return Written(forward, stem=linear(), first=linear(), last=linear(), head=linear(6, 2), **parts)


@pytest.mark.parametrize("name", JOINS)
def test_a_residual_branch_ends_at_its_last_layer(name: str) -> None:
    layers = read(residual(JOINS[name]), X).layers
    assert place(layers["first"]) == ("activation", "relu", False, False, True, False)
    assert place(layers["last"]) == ("residual", None, False, True, True, False)
    assert not layers["stem"].bypassable
    assert not layers["head"].bypassable
    for scale in layers.keys() & {"alpha", "scale"}:
        assert (layers[scale].kind, layers[scale].bypassable) == ("scale", True)


def test_a_raw_input_is_a_trunk_too() -> None:
    net = Written(lambda net, x: net.head(x + net.last(net.first(x))), first=linear(), last=linear(), head=linear(6, 2))
    assert place(read(net, X).layers["last"]) == ("residual", None, False, True, True, False)


def test_both_sides_of_a_projection_shortcut_are_bypassable() -> None:
    def forward(net: Any, x: Tensor) -> Tensor:
        x = net.stem(x)
        return net.head((net.shortcut(x) + net.last(net.first(x).relu())).relu())

    net = Written(forward, stem=linear(), first=linear(), last=linear(6, 8), shortcut=linear(6, 8), head=linear(8, 2))
    layers = read(net, X).layers
    for name in ("shortcut", "last"):
        assert place(layers[name]) == ("activation", "relu", False, False, True, False)
    assert not layers["stem"].bypassable


@pytest.mark.parametrize("first", [True, False], ids=["pre-norm", "post-norm"])
def test_in_a_transformer_each_branch_ends_at_its_add(first: bool) -> None:
    layer = nn.TransformerEncoderLayer(6, 2, 12, dropout=0.1, batch_first=True, norm_first=first)
    net = nn.Sequential(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), linear(6, 2))
    layers = read(net, SEQUENCES).layers
    ends = {name.removeprefix("0.layers.") for name, layer in layers.items() if layer.ends_branch}
    assert ends == {f"{block}.{last}" for block in (0, 1) for last in ("self_attn.out_proj", "linear2")}
    assert all(layers[f"0.layers.{block}.linear1"].activation == "relu" for block in (0, 1))
    assert all(layers[f"0.layers.{block}.self_attn"].feeds == "attention" for block in (0, 1))
    assert {layers[f"0.layers.{block}.linear2"].feeds for block in (0, 1)} == {"residual"}
    assert all(layers[f"0.layers.{block}.{name}"].bypassable for block in (0, 1) for name in ("linear1", "self_attn"))


@pytest.mark.parametrize("gate", ["sigmoid", "softmax"])
def test_layers_that_compute_a_gate_do_not_end_a_branch(gate: str) -> None:
    """Squeeze-and-excitation and expert weights: they scale the branch's signal."""

    def forward(net: Any, x: Tensor) -> Tensor:
        x = net.stem(x)
        opening = net.two(x).sigmoid() if gate == "sigmoid" else net.two(x).softmax(-1)[..., :1]
        return cast(Tensor, net.head(x + net.one(x.relu()) * opening))

    linear = {name: nn.Linear(6, 6) for name in ("stem", "one", "two", "head")}
    _, layers = flow(Written(forward, **linear), X)
    assert {name for name, layer in layers.items() if layer.ends_branch} == {"one"}

"""The first target of a layer's output, for different ways of writing a network."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.record.graph.small_nets import (
    ATTENTION,
    IMAGES,
    SEQUENCES,
    X,
    attend,
    attention,
    between,
    linear,
    place,
)
from tests.record.reading import Written, read

ACTIVATIONS: dict[str, tuple[str, Callable[[Tensor], Tensor]]] = {
    "F.relu": ("relu", F.relu),
    "in place": ("relu", lambda x: F.relu(x, inplace=True)),
    "x.relu()": ("relu", lambda x: x.relu()),
    "x.relu_()": ("relu", lambda x: x.relu_()),
    "clamp_min": ("relu", lambda x: x.clamp_min(0)),
    "squared relu": ("relu", lambda x: x.relu() ** 2),
    "relu6": ("relu6", F.relu6),
    "leaky": ("leaky_relu", F.leaky_relu),
    "prelu": ("prelu", lambda x: F.prelu(x, torch.tensor([0.1]))),
    "silu": ("silu", F.silu),
    "gelu": ("gelu", F.gelu),
    "gelu by tanh": ("tanh", lambda x: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))),
    "elu": ("elu", F.elu),
    "selu": ("selu", F.selu),
    "tanh": ("tanh", torch.tanh),
    "sigmoid": ("sigmoid", torch.sigmoid),
    "softplus": ("softplus", F.softplus),
    "sine": ("sin", lambda x: torch.sin(30 * x)),
    "softmax": ("softmax", lambda x: x.softmax(-1)),
    "exp": ("exp", torch.exp),
    "behind dropout": ("relu", lambda x: F.relu(F.dropout(x, 0.1))),
    "behind views and permutes": ("relu", lambda x: x.view(-1, 2, 3).permute(0, 2, 1).relu().flatten(1)),
    "behind a scale and a shift": ("tanh", lambda x: (0.5 * x + 1).tanh()),
    "behind a copy to another precision": ("tanh", lambda x: x.double().tanh().float()),
    "behind a chunk and a cat": ("relu", lambda x: torch.cat(x.chunk(2, -1)[::-1], -1).relu()),
    "concatenated": ("relu", lambda x: torch.cat([x.relu(), (-x).relu()], -1)[:, :6]),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_activation_that_a_layer_feeds(name: str) -> None:
    wanted, function = ACTIVATIONS[name]
    layers = read(between(function), X).layers
    assert place(layers["body"]) == ("activation", wanted, False, False, False, False)
    assert place(layers["head"]) == ("loss", None, False, False, False, True)


@pytest.mark.parametrize("clamp", [lambda x: x.clamp(min=0), lambda x: x.clamp(0), lambda x: torch.clamp(x, min=0.0)])
def test_a_clamp_at_zero_is_a_relu(clamp: Callable[[Tensor], Tensor]) -> None:
    reading = read(between(clamp), X)
    assert reading.layers["body"].activation == "relu"
    assert reading.measured["body"].dead_share is not None


def test_other_clamps_are_not() -> None:
    assert read(between(lambda x: x.clamp(min=-1)), X).layers["body"].activation != "relu"


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (nn.ReLU(), "relu"),
        (nn.SELU(), "selu"),
        (nn.PReLU(), "prelu"),
        (nn.GELU(), "gelu"),
        (nn.SiLU(), "silu"),
        (nn.Hardswish(), "hardswish"),
        (nn.Mish(), "mish"),
        (nn.Sequential(nn.Dropout(0.1), nn.Identity(), nn.Tanh()), "tanh"),
    ],
    ids=str,
)
@pytest.mark.parametrize("x", [X, IMAGES.mean(1)[:, :, :6]], ids=["rows", "sequences"])
def test_an_activation_module_is_found_like_its_function(module: nn.Module, name: str, x: Tensor) -> None:
    layers = read(nn.Sequential(linear(), module, linear(6, 2)), x).layers
    assert (layers["0"].feeds, layers["0"].activation) == ("activation", name)


IN_PLACE: dict[str, tuple[Callable[[], nn.Module], Tensor]] = {
    "behind a layer of rows": (lambda: linear(), X),
    "behind a convolution": (lambda: nn.Conv2d(3, 6, 3), IMAGES),
    "behind a batch norm": (lambda: nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6)), IMAGES),
}


IN_PLACE_ON_A_VIEW: dict[str, tuple[Callable[[], nn.Module], Tensor]] = {
    "behind a layer of sequences": (lambda: linear(), SEQUENCES),
    "behind an instance norm": (lambda: nn.Sequential(nn.Conv2d(3, 6, 3), nn.InstanceNorm2d(6)), IMAGES),
}


def leaf_in_place() -> Tensor:
    y = torch.ones(2, 4, requires_grad=True) * 1
    y[:, :2].relu_()
    return y


@pytest.mark.parametrize("name", IN_PLACE)
def test_an_in_place_activation_is_found(name: str) -> None:
    build, x = IN_PLACE[name]
    reading = read(nn.Sequential(build(), nn.ReLU(inplace=True)), x)
    layer = reading.recorder.layers[0]
    assert layer.activation == "relu"
    assert reading.measured[layer.name].dead_share is not None


UNTOLD = pytest.mark.xfail(
    not hasattr(leaf_in_place().grad_fn, "_wrapped_node"), reason="torch before 2.14 does not tell what CopySlices does"
)


@UNTOLD
@pytest.mark.parametrize("name", IN_PLACE_ON_A_VIEW)
def test_an_in_place_activation_on_a_view_is_found(name: str) -> None:
    build, x = IN_PLACE_ON_A_VIEW[name]
    reading = read(nn.Sequential(build(), nn.ReLU(inplace=True)), x)
    assert reading.recorder.layers[0].activation == "relu"


@UNTOLD
@pytest.mark.parametrize("name", IN_PLACE_ON_A_VIEW)
def test_dead_units_of_an_in_place_activation_on_a_view_are_counted(name: str) -> None:
    build, x = IN_PLACE_ON_A_VIEW[name]
    (measured, *_) = read(nn.Sequential(build(), nn.ReLU(inplace=True)), x).step.layers
    assert measured.dead_share is not None


@pytest.mark.parametrize("name", ATTENTION)
def test_queries_keys_and_values_feed_attention(name: str) -> None:
    layers = read(attention(ATTENTION[name]), SEQUENCES).layers
    assert {layers[part].feeds for part in ("q", "k", "v")} == {"attention"}
    assert {layers[part].activation for part in ("q", "k", "v")} == {None}
    assert layers["out"].head
    assert not layers["v"].exempt_zero_gradient


def test_a_packed_projection_feeds_attention_once() -> None:
    def forward(net: Any, x: Tensor) -> Tensor:
        return net.out(attend(*net.qkv(x).chunk(3, -1)))

    layers = read(Written(forward, qkv=linear(6, 18), out=linear()), SEQUENCES).layers
    assert layers["qkv"].feeds == "attention"


GATES: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "SwiGLU": lambda net, x: F.silu(net.gate(x)) * net.up(x),
    "GEGLU": lambda net, x: net.up(x) * F.gelu(net.gate(x)),
    "bilinear, one side activated": lambda net, x: net.up(x).mul(net.gate(x).sigmoid()),
}


@pytest.mark.parametrize("name", GATES)
def test_one_side_of_a_gate_is_activated_and_the_other_gated(name: str) -> None:
    net = Written(lambda net, x: net.down(GATES[name](net, x)), gate=linear(), up=linear(), down=linear(6, 2))
    layers = read(net, X).layers
    assert layers["gate"].feeds == "activation"
    assert (layers["up"].feeds, layers["up"].activation) == ("gate", None)
    assert not layers["up"].bypassable
    assert not layers["gate"].bypassable


def test_a_squeeze_and_excitation_gates_the_channels() -> None:
    def forward(net: Any, x: Tensor) -> Tensor:
        x = net.conv(x)
        gate = net.excite(net.squeeze(x.mean((2, 3))).relu()).sigmoid()
        return net.head((x * gate[:, :, None, None]).mean((2, 3)))

    parts = {"squeeze": linear(4, 2), "excite": linear(2, 4), "head": linear(4, 2)}
    layers = read(Written(forward, conv=nn.Conv2d(3, 4, 3), **parts), IMAGES).layers
    assert layers["conv"].feeds == "gate"
    assert (layers["squeeze"].activation, layers["excite"].activation) == ("relu", "sigmoid")


@pytest.mark.parametrize(
    "loss",
    [
        lambda output: F.cross_entropy(output, torch.zeros(len(output), dtype=torch.int64)),
        lambda output: F.mse_loss(output, torch.zeros(output.shape)),
        lambda output: F.binary_cross_entropy_with_logits(output, torch.zeros(output.shape)),
        lambda output: output.sum(),
    ],
    ids=["cross entropy", "mse", "bce", "sum"],
)
def test_the_last_layer_feeds_the_loss(loss: Callable[[Tensor], Tensor]) -> None:
    layers = read(nn.Sequential(linear(), nn.ReLU(), linear(6, 3)), X, loss=loss).layers
    assert (layers["2"].feeds, layers["2"].head) == ("loss", True)
    assert (layers["0"].feeds, layers["0"].head) == ("activation", False)

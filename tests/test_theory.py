"""Gains against numerical integration, recipes against torch.nn.init."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth.theory import FORWARD_GAIN, octaves_off, recipe_gains, wanted_gain, wanted_std
from tests.rules.recordings import layer

ACTIVATIONS = {
    "relu": F.relu,
    "tanh": torch.tanh,
    "gelu": F.gelu,
    "silu": F.silu,
    "elu": F.elu,
    "selu": F.selu,
    "mish": F.mish,
    "sigmoid": torch.sigmoid,
    "sin": torch.sin,
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_gain_keeps_the_size_of_a_normal_signal(name: str) -> None:
    z = torch.linspace(-10, 10, 20_001, dtype=torch.float64)
    density = torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    mean_square = torch.trapezoid(ACTIVATIONS[name](z) ** 2 * density, z)
    assert FORWARD_GAIN[name] == pytest.approx(float(mean_square**-0.5), rel=2e-3)


@pytest.mark.parametrize("name", ["leaky_relu", "prelu", "rrelu", "hardtanh", "hardswish", "celu", "hardsigmoid"])
def test_relatives_have_about_the_gain_of_theirs(name: str) -> None:
    relative = {"hardtanh": F.hardtanh, "hardswish": F.hardswish, "celu": F.celu, "hardsigmoid": F.hardsigmoid}
    z = torch.randn(100_000, generator=torch.Generator().manual_seed(0))
    rms = relative.get(name, F.leaky_relu)(z).square().mean().sqrt()
    assert FORWARD_GAIN[name] * float(rms) == pytest.approx(1.0, abs=0.25)


def test_without_an_activation_the_signal_is_kept_by_1() -> None:
    assert wanted_gain(layer("fc", 0, activation=None)) == 1.0
    assert wanted_gain(layer("fc", 0, activation="softmax")) == 1.0
    assert wanted_gain(layer("fc", 0, activation="relu")) == 1.414


def test_the_wanted_std_is_the_gain_over_the_root_of_the_fan() -> None:
    assert wanted_std(layer("fc", 0)) == pytest.approx(math.sqrt(2 / 96), rel=1e-3)
    assert wanted_std(layer("fc", 0, weight={"fan_in": None})) is None
    assert wanted_std(layer("fc", 0).model_copy(update={"weight": None})) is None


def drawn(initialize: str, activation: str, fan_in: int, fan_out: int) -> Tensor:
    """A weight that one of torch's initializations draws."""
    torch.manual_seed(0)
    weight = torch.empty(fan_out, fan_in)
    if initialize == "xavier":
        known = activation if activation in ("relu", "tanh", "sigmoid") else "linear"
        return nn.init.xavier_uniform_(weight, gain=nn.init.calculate_gain(known))
    if initialize == "fan_out":
        return nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")
    if initialize == "default":
        return nn.Linear(fan_in, fan_out).weight.detach()
    if initialize == "gpt":
        return nn.init.normal_(weight, std=0.02)
    return nn.init.kaiming_normal_(weight, nonlinearity="relu" if activation == "relu" else "linear")


@pytest.mark.parametrize(("fan_in", "fan_out"), [(256, 256), (64, 1024), (1024, 64)])
@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu", "sigmoid", ""])
@pytest.mark.parametrize("initialize", ["kaiming", "xavier", "fan_out", "default", "gpt"])
def test_torchs_initializations_are_among_the_recipes(
    initialize: str, activation: str, fan_in: int, fan_out: int
) -> None:
    weight = drawn(initialize, activation, fan_in, fan_out)
    place = layer("fc", 0, activation=activation or None, weight={"fan_in": fan_in, "fan_out": fan_out})
    assert place.weight is not None
    gain = float(weight.square().mean().sqrt()) * math.sqrt(fan_in)
    assert abs(octaves_off(gain, recipe_gains(place, place.weight))) < 0.1


def test_octaves_off_is_zero_within_and_signed_outside() -> None:
    assert octaves_off(1.0, [0.5, 2.0]) == 0.0
    assert octaves_off(8.0, [0.5, 2.0]) == 2.0
    assert octaves_off(0.125, [0.5, 2.0]) == -2.0
    assert octaves_off(2.0, [2.0, 0.5]) == 0.0

"""Tables compared with mean field theory, numbers with networks, and recipes with torch.nn.init."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth.recording import Layer
from inithealth.theory.activation_table import BY_NAME
from inithealth.theory.gains import (
    critical_std,
    depth_scale,
    gradient_through,
    octaves_off,
    recipe_gains,
    sets_frequencies,
    signal_through,
    target_gain,
    target_std,
    uncorrelated_rms,
)
from tests.rules.recordings import layer, signal, weight


@pytest.mark.parametrize("name", ["leaky_relu", "relu6", "hardtanh", "hardswish", "celu", "hardsigmoid", "softsign"])
def test_a_gain_preserves_the_rms_of_a_normal_signal(name: str) -> None:
    z = torch.randn(400_000, generator=torch.Generator().manual_seed(0))
    rms = getattr(F, name)(z).square().mean().sqrt()
    assert (BY_NAME[name].forward or 0.0) * float(rms) == pytest.approx(1.0, abs=0.01)


def test_the_gain_is_1_without_an_activation() -> None:
    assert target_gain(layer("fc", 0, activation=None)) == 1.0
    assert target_gain(layer("fc", 0, activation="softmax")) == 1.0
    assert target_gain(layer("fc", 0, activation="relu")) == BY_NAME["relu"].forward
    assert target_gain(layer("fc", 0, activation="sin", multiplied=30.0)) == pytest.approx(1.5209 / 30)


def test_the_target_std_is_the_gain_over_the_square_root_of_the_fan() -> None:
    assert target_std(layer("fc", 0)) == pytest.approx(math.sqrt(2 / 96), rel=1e-3)
    assert target_std(layer("fc", 0, weight={"fan_in": None})) is None
    assert target_std(layer("fc", 0).model_copy(update={"weight": None})) is None


def test_the_critical_std_has_chi_1() -> None:
    assert critical_std(layer("fc", 0)) == pytest.approx(math.sqrt(2 / 96), rel=1e-3)
    assert critical_std(layer("fc", 0, activation="tanh")) == pytest.approx(96**-0.5)
    assert critical_std(layer("fc", 0, activation=None)) == pytest.approx(96**-0.5)
    assert critical_std(layer("fc", 0, activation="sin", multiplied=30.0)) == pytest.approx(96**-0.5 / 30)
    assert critical_std(layer("fc", 0, activation="sigmoid")) is None
    assert critical_std(layer("fc", 0, weight={"fan_in": None})) is None


def test_the_depth_scale_depends_on_the_layers_gain_and_bias() -> None:
    assert depth_scale(layer("fc", 0, weight={"rms": 96**-0.5})) == pytest.approx(1 / math.log(2), rel=1e-3)
    assert depth_scale(layer("fc", 0, weight={"rms": (2 / 96) ** 0.5})) > 1e3
    saturated = layer("fc", 0, activation="tanh", bias=weight("fc.bias", 2.0).model_dump())
    assert depth_scale(saturated) < depth_scale(layer("fc", 0, activation="tanh"))
    assert depth_scale(layer("fc", 0, weight={"fan_in": None})) is None
    assert depth_scale(layer("fc", 0, weight={"rms": 0.0})) is None


def deep(name: str, gain: float, count: int = 8, width: int = 512) -> tuple[list[Layer], list[Tensor]]:
    """Return layers of one gain as in a recording, and their weights."""
    torch.manual_seed(0)
    rms = gain / width**0.5
    places = [layer(f"fc{n}", n, activation=name, weight={"rms": rms, "fan_in": width}) for n in range(count)]
    return places, [torch.randn(width, width) * rms for _ in range(count)]


@pytest.mark.parametrize(("name", "gain"), [("relu", 1.0), ("tanh", 0.8), ("tanh", 3.0), ("gelu", 2.5), ("silu", 1.2)])
def test_signal_and_gradient_through_layers_agree_with_a_network(name: str, gain: float) -> None:
    places, weights = deep(name, gain)
    start = torch.randn(32, 512, requires_grad=True)
    value = start
    for matrix in weights:
        value = getattr(torch, name, getattr(F, name, None))(value) @ matrix.T
    assert signal_through(places) == pytest.approx(float(value.detach().square().mean().sqrt()), rel=0.2)
    seen = torch.randn(value.shape)
    [gradient] = torch.autograd.grad(value, start, seen)
    assert gradient_through(places) == pytest.approx(float(gradient.norm() / seen.norm()), rel=0.2)


def test_layers_without_a_gain_or_a_known_activation_do_not_change_the_signal() -> None:
    places = [layer("a", 0, activation="softmax", weight={"rms": 96**-0.5}), layer("b", 1, weight={"fan_in": None})]
    assert signal_through(places[:1]) == pytest.approx(1.0)
    assert gradient_through(places[:1]) == pytest.approx(1.0)
    assert signal_through([]) == gradient_through([]) == 1.0


def test_structured_weights_exceed_the_uncorrelated_rms() -> None:
    place = layer("fc", 0, weight={"rms": 0.1}, bias=weight("fc.bias", 0.5).model_dump())
    assert uncorrelated_rms(place, signal(2.0)) == pytest.approx(math.hypot(0.2 * 96**0.5, 0.5))
    positive = torch.randn(256, 96).relu()
    weights = {"healthy": torch.randn(96, 96) * 0.1, "constant": torch.full((96, 96), 0.1)}
    expected = uncorrelated_rms(layer("fc", 0, weight={"rms": 0.1}), signal(float(positive.square().mean().sqrt())))
    assert expected is not None
    measured = {name: float((positive @ matrix.T).square().mean().sqrt()) for name, matrix in weights.items()}
    assert math.log2(measured["healthy"] / expected) == pytest.approx(0.0, abs=0.2)
    assert math.log2(measured["constant"] / expected) > 1
    assert uncorrelated_rms(layer("fc", 0, weight={"fan_in": None}), signal()) is None


def drawn(initialize: str, activation: str, fan_in: int, fan_out: int) -> Tensor:
    """Return a weight initialized by one of torch's functions."""
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


def test_octaves_off_is_zero_inside_and_signed_outside() -> None:
    assert octaves_off(1.0, [0.5, 2.0]) == 0.0
    assert octaves_off(8.0, [0.5, 2.0]) == 2.0
    assert octaves_off(0.125, [0.5, 2.0]) == -2.0
    assert octaves_off(2.0, [2.0, 0.5]) == 0.0


def test_a_sine_needs_weights_divided_by_the_factor_inside_it() -> None:
    hidden = layer("fc", 0, activation="sin", multiplied=30.0)
    assert hidden.weight is not None
    gains = recipe_gains(hidden, hidden.weight)
    assert octaves_off(math.sqrt(2) / 30, gains) == 0.0  # SIREN
    assert octaves_off(1 / math.sqrt(3), gains) > 3  # torch's default
    first = layer("fc", 0, activation="sin", multiplied=30.0, reads_input=True)
    assert octaves_off(1 / math.sqrt(3), recipe_gains(first, hidden.weight)) == 0.0


def test_the_first_layer_of_a_sine_network_sets_its_frequencies() -> None:
    assert sets_frequencies(layer("fc", 0, activation="sin", reads_input=True))
    assert not sets_frequencies(layer("fc", 0, activation="sin"))
    assert not sets_frequencies(layer("fc", 0, activation="tanh", reads_input=True))
    assert not sets_frequencies(layer("conv", 0, activation="sin", reads_input=True, kind="conv"))

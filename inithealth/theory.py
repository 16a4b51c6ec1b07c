"""What initialization theory wants: gains of activations, and the recipes in use."""

from __future__ import annotations

import math

from inithealth.recording import Layer, Weight

# 1 / sqrt(E[phi(z)^2]) for z ~ N(0, 1): the rms(W) sqrt(fan_in) that keeps the signal's size.
FORWARD_GAIN = {
    "relu": 1.414,
    "leaky_relu": 1.414,
    "prelu": 1.414,
    "rrelu": 1.414,
    "threshold": 1.414,
    "hardtanh": 1.593,
    "tanh": 1.593,
    "gelu": 1.534,
    "silu": 1.677,
    "hardswish": 1.677,
    "elu": 1.245,
    "celu": 1.245,
    "selu": 1.0,
    "mish": 1.487,
    "sigmoid": 1.846,
    "hardsigmoid": 1.846,
    "sin": 1.521,
}
# torch.nn.init.calculate_gain's advice, where it differs from the above.
_ADVISED_GAIN = {"tanh": 5 / 3, "selu": 0.75, "sigmoid": 1.0, "hardsigmoid": 1.0}
# Standard deviations used whatever the fan: 0.02 in GPT, BERT, ViT and DCGAN, 0.1 in Inception.
_PLAIN_STD = (0.02, 0.1)


def wanted_gain(layer: Layer) -> float:
    """The gain that keeps the signal through the activation the layer feeds; 1 where there is none."""
    return FORWARD_GAIN.get(layer.activation or "", 1.0) / layer.multiplied


def wanted_std(layer: Layer) -> float | None:
    """The weight std that this gain means for the layer's fan_in."""
    weight = layer.weight
    return None if weight is None or not weight.fan_in else wanted_gain(layer) / math.sqrt(weight.fan_in)


def recipe_gains(layer: Layer, weight: Weight) -> list[float]:
    """rms(W) sqrt(fan_in) under every initialization in common use."""
    fan_in, fan_out = weight.fan_in or 1, weight.fan_out or 1
    advised = _ADVISED_GAIN.get(layer.activation or "", 1.0)
    gains = [1.0, math.sqrt(2.0), 1 / math.sqrt(3.0), wanted_gain(layer), advised]
    xavier = math.sqrt(2.0 * fan_in / (fan_in + fan_out))
    gains += [xavier, xavier * wanted_gain(layer), math.sqrt(2.0 * fan_in / fan_out)]
    return gains + [std * math.sqrt(fan_in) for std in _PLAIN_STD]


def octaves_off(gain: float, gains: list[float]) -> float:
    """log2 of how far a gain lies outside the range of some others; 0 within it, negative below."""
    low, high = min(gains), max(gains)
    return math.log2(gain / high) if gain > high else math.log2(gain / low) if gain < low else 0.0

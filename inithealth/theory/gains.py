"""The target gain and weight std of a layer, and the gains of initializations in common use."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from inithealth.powers import squared
from inithealth.recording import Layer, Signal, Weight
from inithealth.theory import mean_field
from inithealth.theory.activations import IDENTITY, function_of, row_of

# Standard deviations used for any fan: in most language, vision and image generation models, and in older models.
_PLAIN_STD = (0.02, 0.1)


def target_gain(layer: Layer) -> float:
    """Return the gain that preserves the signal through the layer's activation; 1 without an activation."""
    function, row = _function(layer), row_of(layer)
    if isinstance(function, str):
        return (row.forward if row is not None and row.forward else 1.0) / layer.multiplied
    gain = mean_field.forward_gain(function)
    return (gain if math.isfinite(gain) else 1.0) / layer.multiplied


def has_gain(layer: Layer) -> bool:
    """Return whether the gain of the layer's activation is known."""
    row = row_of(layer)
    return row is not None and row.forward is not None


def sets_frequencies(layer: Layer) -> bool:
    """Return whether the scale of a layer sets the frequencies of a sine network, as in the first layer of SIREN.

    A sine of the network's inputs has an rms of 0.7 for large weights of any scale. Which frequencies are right depends
    on the target.
    """
    row = row_of(layer)
    return row is not None and row.periodic and layer.reads_input and layer.kind == "linear"


def target_std(layer: Layer) -> float | None:
    """Return the weight std of this gain for the layer's fan_in."""
    return _std(layer, target_gain(layer))


def critical_std(layer: Layer) -> float | None:
    """Return the weight std between vanishing and exploding gradients in a deep stack of such layers without biases.

    None if there is none (a sigmoid's gradient vanishes at any std), and for weights without a fan_in.
    """
    function, row = _function(layer), row_of(layer)
    critical = 1.0 if row is None or row.function is None else row.critical
    critical = critical if isinstance(function, str) else mean_field.critical_gain(function)
    return None if critical is None else _std(layer, critical / layer.multiplied)


def depth_scale(layer: Layer) -> float | None:
    """Return the number of layers like this one over which the squared gradient changes by a factor e.

    None for layers without a gain.
    """
    gain = _gain(layer)
    if not gain:
        return None
    bias = layer.bias.rms * layer.multiplied if layer.bias is not None else 0.0
    return mean_field.depth_scale(mean_field.chi(_function(layer), gain, bias))


def uncorrelated_rms(layer: Layer, signal: Signal) -> float | None:
    """Return the rms of the layer's output if its weights are uncorrelated with each other and with the input.

    A measured rms above twice that indicates structured weights, such as constant or duplicated ones: no one of 11,173
    healthy dense layers exceeds it, and faulty ones are 2.4 to 3.5 octaves above.
    """
    bias = layer.bias.rms if layer.bias is not None else 0.0
    return None if layer.gain is None else math.hypot(layer.gain * signal.rms, bias)


def signal_through(layers: Iterable[Layer]) -> float:
    """Return the rms of a signal of rms 1 after the weights and activations of these layers.

    Biases are left out: they may keep the rms up, but carry no information about the network's input.
    """
    variance = 1.0
    for layer in layers:
        variance = mean_field.next_variance(_function(layer), variance, _gain(layer) or 1.0)
    return math.sqrt(variance)


def gradient_through(layers: Sequence[Layer]) -> float:
    """Return the norm of a gradient of norm 1 after the backward pass, for an input of rms 1."""
    variance, square = 1.0, 1.0
    for layer in layers:
        function, gain = _function(layer), _gain(layer) or 1.0
        square *= squared(gain) * mean_field.mean_square_slope(function, variance)
        variance = mean_field.next_variance(function, variance, gain)
    return math.sqrt(square)


def recipe_gains(layer: Layer, weight: Weight) -> list[float]:
    """Return rms(W) sqrt(fan_in) for every initialization in common use.

    A sine needs weights divided by the constant factor inside it (the omega_0 of SIREN), except in the first layer.
    """
    row = row_of(layer)
    if row is not None and row.periodic and layer.multiplied != 1.0 and not layer.reads_input:
        return [gain / layer.multiplied for gain in fan_gains(layer.model_copy(update={"multiplied": 1.0}), weight)]
    return fan_gains(layer, weight) + [std * math.sqrt(weight.fan_in or 1) for std in _PLAIN_STD]


def fan_gains(layer: Layer, weight: Weight) -> list[float]:
    """Return rms(W) sqrt(fan_in) for the initializations that depend on the fans."""
    fan_in, fan_out = weight.fan_in or 1, weight.fan_out or 1
    xavier = math.sqrt(2.0 * fan_in / (fan_in + fan_out))
    return [*common_gains(layer), xavier, xavier * target_gain(layer), math.sqrt(2.0 * fan_in / fan_out)]


def common_gains(layer: Layer) -> list[float]:
    """Return rms(W) sqrt(fan) for the schemes in common use; the fan is fan_in, fan_out or the mean of both."""
    row = row_of(layer)
    advised = row.advised if row is not None and row.advised else 1.0
    return [1.0, math.sqrt(2.0), 1 / math.sqrt(3.0), target_gain(layer), advised]


def octaves_off(gain: float, gains: list[float]) -> float:
    """Return log2 of the factor by which a gain is outside the range of others; 0 inside it, negative below it."""
    low, high = min(gains), max(gains)
    return math.log2(gain / high) if gain > high else math.log2(gain / low) if gain < low else 0.0


def _std(layer: Layer, gain: float) -> float | None:
    return None if layer.weight is None or not layer.weight.fan_in else gain / math.sqrt(layer.weight.fan_in)


def _gain(layer: Layer) -> float | None:
    """Return the factor by which the weights, and the constant after them, scale an uncorrelated signal."""
    return None if layer.gain is None else layer.gain * layer.multiplied


def _function(layer: Layer) -> str | mean_field.Function:
    """Return the layer's activation: its name if it has torch's default parameters or unknown ones, else a function.

    An activation that is not elementwise counts as the identity.
    """
    row = row_of(layer)
    if row is None or row.function is None:
        return IDENTITY
    own = layer.activation_parameters and not row.doubt
    return function_of(row.name, layer.activation_parameters) if own else row.name

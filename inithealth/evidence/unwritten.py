"""Signs of uninitialized memory in the values of a parameter, and what else they can come from."""

from __future__ import annotations

import math

from inithealth.recording import Layer, Recording, Weight


def mixed(parameter: Weight, least: float) -> bool:
    """Whether the largest value is far above the others; if all values are huge, the matrix has been scaled."""
    if len(parameter.shape) < 2 or not math.isfinite(parameter.rms):
        return True
    return parameter.abs_max > min(least, 0.6 * math.sqrt(math.prod(parameter.shape))) * parameter.rms


def faded(layer: Layer, parameter: Weight, trained: frozenset[str], shortest: int) -> bool:
    """Whether long training, or a formula, has produced the tiny values."""
    if layer.name in trained or (not parameter.trainable and layer.kind in ("scale", "other")):
        return True
    if len(parameter.shape) < 2:
        return bool(trained)
    amount = math.prod(parameter.shape)
    lengths = (amount // parameter.shape[0], amount // math.prod(parameter.shape[1:]))
    tiny = round(parameter.tiny_share * amount)
    return tiny < amount and any(length >= shortest and tiny % length == 0 for length in lengths)


def zero_throughout(recording: Recording) -> list[Layer]:
    """Return all layers of a network with normalization layers whose parameters are all zero; else none."""
    layers = [layer for layer, _ in recording.weighted]
    parameters = [each for layer in layers for each in (layer.weight, layer.bias) if each is not None]
    zero = all(parameter.abs_max == 0.0 and not parameter.non_finite for parameter in parameters)
    return layers if zero and any(layer.kind == "norm" for layer in layers) else []

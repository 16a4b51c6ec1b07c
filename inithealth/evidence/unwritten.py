"""Signs of uninitialized memory in the values of a parameter, and what else they can come from."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from inithealth.evidence import forward_writes
from inithealth.evidence.limits import Limits, limit
from inithealth.evidence.trained import trained_layers
from inithealth.evidence.wording import number
from inithealth.recording import Layer, Recording, Weight


class UnwrittenLimits(Limits):
    """Which values of a parameter are uninitialized memory."""

    max_tiny_share: float = limit(
        0.0,
        "largest share of values between 0 and 1e-20: initializations never produce one",
        unit="share of elements",
    )
    max_value: float = limit(
        1e10,
        "largest value of a weight: initializations produce far smaller ones, uninitialized memory values up to 1e38",
        unit="value",
    )
    min_spike: float = limit(
        8.0,
        "smallest ratio of the largest value to the rms for a value above max_value to be an outlier; if all values "
        "are huge, the matrix was scaled. For small matrices 0.6 sqrt(elements) is enough",
        unit="ratio",
    )
    min_line: int = limit(
        4,
        "fewest elements of a row or column whose tiny values training may have produced, as in dead units",
        unit="elements",
    )


class Garbage(NamedTuple):
    """A weight or bias that is uninitialized memory."""

    layer: Layer
    parameter: Weight
    values: str  # a description of its values
    measured: float
    limit: float


def garbage(recording: Recording, limits: UnwrittenLimits) -> Iterator[Garbage]:
    """Yield each weight and bias that is uninitialized memory, without those that the forward pass writes."""
    trained = trained_layers(recording)
    for layer in recording.layers:
        for each in (layer.weight, layer.bias):
            if each is None or forward_writes.written(recording, layer, each):
                continue
            if each.abs_max > limits.max_value and mixed(each, limits.min_spike):
                values = f"values up to {number(each.abs_max)} (limit {number(limits.max_value)})"
                yield Garbage(layer, each, values, each.abs_max, limits.max_value)
            elif each.tiny_share > limits.max_tiny_share and not faded(layer, each, trained, limits.min_line):
                share = f"a share of {each.tiny_share:.2g} of the values is below 1e-20 and not zero"
                values = f"{share} (limit {limits.max_tiny_share:g})"
                yield Garbage(layer, each, values, each.tiny_share, limits.max_tiny_share)


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

"""Whether the gradient at a layer's output reaches its parameters, or is at positions whose input is zero."""

from __future__ import annotations

import math
from collections.abc import Sequence

from inithealth.evidence.facts import limits_of
from inithealth.evidence.limits import SharedLimits, limit
from inithealth.recording import Layer, Measurement, Recording

Pair = tuple[Layer, Measurement]


class GradientLimits(SharedLimits):
    """Which gradients are compared."""

    min_delivered: float = limit(
        1e-4,
        "gradient that a layer's parameters receive, relative to that at its output: below it, the gradient is at "
        "positions whose input is zero, such as the padding of windows, and changes nothing",
        unit="ratio to the gradient's norm",
    )


def delivering(recording: Recording, pairs: Sequence[Pair]) -> Sequence[Pair]:
    """Return the layers without those whose parameters receive next to nothing of the gradient at their output."""
    total = recording.steps[0].global_gradient_norm if recording.steps else None
    least = limits_of(recording, GradientLimits).min_delivered
    if total is None:
        return pairs
    return [(each, m) for each, m in pairs if not m.gradient or _delivered(each, m, total) >= least * m.gradient.norm]


def _delivered(layer: Layer, m: Measurement, total: float) -> float:
    """Return an upper estimate of the gradient's norm at the output, from the gradients of the weight and the bias."""
    fan_in = None if layer.weight is None else layer.weight.fan_in
    if m.weight_gradient is None or m.input is None or not fan_in or not 0.0 < m.input.rms < math.inf:
        return math.inf
    of_bias = total if layer.bias is not None else 0.0  # that of one bias is not known
    return max(m.weight_gradient / (m.input.rms * math.sqrt(fan_in)), of_bias)

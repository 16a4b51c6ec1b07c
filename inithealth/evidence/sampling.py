"""Layers that set the positions at which another signal is sampled: when too many are outside it, and the fix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from inithealth.evidence import fixes, signal_path
from inithealth.evidence.fix_text import Fix, initialize
from inithealth.evidence.limits import Limits, limit
from inithealth.recording import Layer, Measurement, Recording

_CENTERED = 0.5  # rms of positions that are inside for the most part: the border is at 1


class SamplingLimits(Limits):
    """How many sampling points may be outside the sampled signal."""

    max_outside: float = limit(
        0.5,
        "largest share of sampling points outside the signal that they are taken from; identity transformations start "
        "at 0, the offsets of deformable attention at 0.27 on feature maps as small as 8x8",
        unit="share of the sampling points",
    )
    error_outside: float = limit(
        0.8,
        "share of sampling points outside the signal beyond which the finding is an error: spatial transformers with "
        "0.92 and more did not train with SGD, and those that looked at one corner did not with Adam either",
        unit="share of the sampling points",
    )
    min_position_rms: float = limit(
        0.1,
        "smallest rms of a layer's positions for it to be the cause of points outside: with a smaller one, the "
        "positions that it is added to are outside",
        unit="rms, where the border is at 1",
    )


class Outside(NamedTuple):
    """A layer, and the share of its sampling points that are outside."""

    share: float
    layer: Layer


def outside(recording: Recording, limits: SamplingLimits) -> list[Outside]:
    """Return the layers with too many sampling points outside the signal, the largest share first."""
    found = [
        Outside(m.outside_share, layer)
        for layer, m in signal_path.measured(recording)
        if layer.steers and m.outside_share is not None and m.outside_share > limits.max_outside
        if _moves_points(m, limits.min_position_rms)
    ]
    return sorted(found, key=lambda each: -each.share)


def _moves_points(m: Measurement, least: float) -> bool:
    return m.output is None or not signal_path.usable(m.output) or m.output.rms > least


def fix(layers: Sequence[Layer], recording: Recording) -> str:
    """Return code that starts each layer at positions inside the signal; advice if no code can."""
    starts = [_start(layer, signal_path.first(recording)[layer.name]) for layer in layers]
    if not all(starts):
        return "start at the identity transformation: zero weights in the last layer, and biases that give the identity"
    return fixes.joined(*starts)


def _start(layer: Layer, m: Measurement) -> str:
    """Return the code for one layer; "" if none is known."""
    if layer.weight is None or layer.steers == "transformation":
        return ""
    zero = Fix.of([initialize(layer.weight.name, "zeros")])
    if layer.steers == "offsets":
        return fixes.joined(zero, fixes.zero_biases([layer]))
    if layer.bias is None:
        rms = m.output.rms if m.output is not None and signal_path.usable(m.output) else 0.0
        return fixes.scale([layer], [_CENTERED / rms]) if rms and layer.steers == "positions" else ""
    if layer.steers == "positions":
        return fixes.joined(zero, fixes.start_biases([layer], -1, 1))
    rows = {6: 2, 12: 3}.get(layer.bias.shape[0])  # of the matrix [A | b] in two and three dimensions
    return fixes.joined(zero, Fix.of([initialize(layer.bias.name, "eye", rows)])) if rows else ""

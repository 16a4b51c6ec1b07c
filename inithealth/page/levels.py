"""The sizes of a layer's signals at one step, as the page shows them.

A size is a float: NaN if nothing was measured, infinity if an element is NaN or infinite, 0 for an exact zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from inithealth.recording import Layer, Measurement, Signal, Step

Size = float
Reading = Callable[[Measurement], Size]


def forward(m: Measurement) -> Size:
    """Return the rms of the layer's output."""
    return _size(m.output, m.output.rms) if m.output is not None else math.nan


def gradient(m: Measurement) -> Size:
    """Return the L2 norm of the gradient of the loss with respect to the layer's output."""
    return _size(m.gradient, m.gradient.norm) if m.gradient is not None else math.nan


def gain(m: Measurement) -> Size:
    """Return the rms of the output over that of the input."""
    if m.input is None or m.output is None:
        return math.nan
    output, read = forward(m), _size(m.input, m.input.rms)
    if math.isinf(output) or math.isinf(read):
        return math.inf
    return output / read if read > 0 else math.nan


READINGS: dict[str, Reading] = {"forward": forward, "gradient": gradient, "gain": gain}


def _size(signal: Signal, size: float) -> Size:
    if signal.sampled == 0:
        return math.nan
    return math.inf if signal.non_finite or not math.isfinite(size) else size


def log2(size: Size) -> float:
    """Return log2 of a size: -infinity for 0, NaN and infinity unchanged."""
    return math.log2(size) if size > 0 else -math.inf if size == 0 else size


def finite(levels: Iterable[float]) -> list[float]:
    """Return the levels that are finite."""
    return [level for level in levels if math.isfinite(level)]


def last_finite(levels: Iterable[float]) -> float:
    """Return the last of the levels that is finite; NaN if none is."""
    return next(iter(finite(levels)[::-1]), math.nan)


def in_order(layers: Iterable[Layer]) -> tuple[Layer, ...]:
    """Return the layers in forward order: the order of the page's rows."""
    return tuple(sorted(layers, key=lambda layer: layer.index))


def levels(step: Step, reading: Reading) -> dict[str, float]:
    """Return log2 of the measured sizes of a step by layer."""
    return {m.layer: log2(reading(m)) for m in step.layers}


def middle(levels: Sequence[float]) -> float:
    """Return the median of at least one level; the lower one of two, so that it is a level that was measured."""
    return sorted(levels)[(len(levels) - 1) // 2]

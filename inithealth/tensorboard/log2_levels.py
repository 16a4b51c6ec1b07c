"""Levels of a signal as log2.

A level is a float: NaN if an element is not finite, -inf for an exact zero; or None if nothing was measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from inithealth.recording import Layer, Measurement, Recording, Step
from inithealth.report.columns import GRADIENT_NORM, OUTPUT_RMS, SignalSize

Level = float | None
Reading = Callable[[Measurement], Level]


def forward_level(measurement: Measurement) -> Level:
    """Return the log2 rms of the layer's output."""
    return _level(OUTPUT_RMS, measurement)


def gradient_level(measurement: Measurement) -> Level:
    """Return log2 of the L2 norm of the gradient of the loss with respect to the layer's output."""
    return _level(GRADIENT_NORM, measurement)


def _level(read: SignalSize, measurement: Measurement) -> Level:
    signal = read.signal(measurement)
    if signal is None or signal.sampled == 0:
        return None
    return math.nan if signal.non_finite else log2(read.size(signal))


def levels_of(step: Step, reading: Reading) -> dict[str, Level]:
    """Return the levels of one step by layer name."""
    return {measurement.layer: reading(measurement) for measurement in step.layers}


def finite(levels: Iterable[Level]) -> list[float]:
    """Return the levels that are finite."""
    return [level for level in levels if level is not None and math.isfinite(level)]


def measured_layers(recording: Recording) -> tuple[Layer, ...]:
    """Return the layers that were measured in any step, in forward order."""
    names = {measurement.layer for step in recording.steps for measurement in step.layers}
    return tuple(sorted((layer for layer in recording.layers if layer.name in names), key=lambda layer: layer.index))


def log2(value: float) -> float:
    """Return log2 of a number of at least 0: -inf for 0, NaN if it is not finite."""
    if not math.isfinite(value):
        return math.nan
    return math.log2(value) if value > 0 else -math.inf

"""Limits of float16: no numbers above 65,504 and none below 6e-8."""

from __future__ import annotations

import math

from inithealth.recording import Signal, Step

LARGEST = 65504.0
_HALF_OF_LEAST = 2.0**-25  # smaller values are rounded to zero


def flushed(step: Step) -> dict[str, float]:
    """Return the share of the gradient that is rounded to zero, for each layer with a float16 gradient."""
    signals = {m.layer: m.gradient for m in step.layers if m.gradient is not None}
    return {
        layer: _flushed(signal, step.loss_scale)
        for layer, signal in signals.items()
        if signal.float16 and not signal.non_finite
    }


def _flushed(gradient: Signal, loss_scale: float) -> float:
    """Return the share rounded to zero, assuming a normal distribution with the rms of the non-zero elements."""
    if gradient.rms == 0.0 or gradient.zero_share >= 1.0:
        return 1.0
    left = gradient.rms * loss_scale / math.sqrt(1.0 - gradient.zero_share)
    return math.erf(_HALF_OF_LEAST / left / math.sqrt(2.0))


def outputs_beyond(limit: float, step: Step) -> dict[str, float]:
    """Return the largest element of each layer's finite float16 output, if it is above the limit."""
    signals = {m.layer: m.output for m in step.layers if m.output is not None}
    return {
        layer: signal.abs_max
        for layer, signal in signals.items()
        if signal.float16 and not signal.non_finite and signal.abs_max > limit
    }

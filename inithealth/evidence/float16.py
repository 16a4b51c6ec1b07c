"""What float16 can hold of a signal: nothing above 65,504, nothing below 6e-8."""

from __future__ import annotations

import math

from inithealth.recording import Signal, Step

LARGEST = 65504.0
_HALF_OF_LEAST = 2.0**-25  # what is smaller is rounded to zero


def flushed(step: Step) -> dict[str, float]:
    """Share of the gradient at each layer's output that is rounded to zero; layers with float16 gradients alone."""
    signals = {m.layer: m.gradient for m in step.layers if m.gradient is not None}
    return {
        layer: _flushed(signal, step.loss_scale)
        for layer, signal in signals.items()
        if signal.float16 and not signal.non_finite
    }


def _flushed(gradient: Signal, loss_scale: float) -> float:
    """As of a normal distribution as wide as what is left."""
    if gradient.rms == 0.0 or gradient.zero_share >= 1.0:
        return 1.0
    left = gradient.rms * loss_scale / math.sqrt(1.0 - gradient.zero_share)
    return math.erf(_HALF_OF_LEAST / left / math.sqrt(2.0))


def outputs_beyond(limit: float, step: Step) -> dict[str, float]:
    """The largest element of each layer's float16 output that is above a limit and not yet infinite."""
    signals = {m.layer: m.output for m in step.layers if m.output is not None}
    return {
        layer: signal.abs_max
        for layer, signal in signals.items()
        if signal.float16 and not signal.non_finite and signal.abs_max > limit
    }

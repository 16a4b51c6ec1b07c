"""Symptoms of a wrong scale: whether the signal, the gradient or the logits are outside what trains.

The limits are those of the rules that report these symptoms; only what no rule reports has its own here.
"""

from __future__ import annotations

from inithealth.evidence.facts import fact, limits_of
from inithealth.evidence.limits import SharedLimits, limit
from inithealth.evidence.signal_path import (
    gradient_growth,
    gradient_ratio,
    input_rms,
    largest_output,
    measured,
    smallest_output,
    usable,
)
from inithealth.recording import Recording

_ALSO = "Also a symptom that makes weight-scale an error"


class OutputLimits(SharedLimits):
    """How large outputs may be."""

    high_rms: float = limit(
        30.0,
        f"largest output without normalization; no healthy network of 97 exceeds 7.6. {_ALSO}",
        unit="rms, relative to an input above 1",
    )
    high_rms_normalized: float = limit(
        100.0,
        f"largest output with normalization, which takes the scale away: only a far larger one matters. {_ALSO}",
        unit="rms, relative to an input above 1",
    )


class GrowthLimits(SharedLimits):
    """By how much gradients may grow on their way back."""

    high_growth: float = limit(
        50.0,
        f"largest gradient without normalization; healthy networks have 1. {_ALSO}",
        unit="ratio to the last layer's gradient",
    )
    high_growth_normalized: float = limit(
        1e5,
        f"largest gradient with normalization; one of 491 healthy networks has 7e3, as expected of it. {_ALSO}",
        unit="ratio to the last layer's gradient",
    )


class LogitLimits(SharedLimits):
    """How far logits may spread."""

    max_logits_std: float = limit(
        8.0,
        f"spread of the logits over the classes; 97 healthy networks have 5.0 at most. {_ALSO}, and the limit of large "
        "heads and tied embeddings there",
        unit="std",
    )


class AttentionLimits(SharedLimits):
    """How far attention logits may spread."""

    max_std: float = limit(
        10.0,
        f"spread of the attention logits over the keys; 66 published networks start at 3.3 or less. {_ALSO}",
        unit="std",
    )


class FadingLimits(SharedLimits):
    """How small outputs and gradients may be where weights are of the wrong scale.

    Fitted on networks labelled by training them. Nearer to what is healthy than the limits of vanishing-activations and
    vanishing-gradients: here the weights are known to be off.
    """

    low_output: float = limit(
        2.0**-5,
        "smallest output without normalization; a smaller one is a symptom of weights that are off",
        unit="rms, relative to an input below 1",
    )
    low_gradient_ratio: float = limit(
        1 / 200,
        "smallest gradient over the largest, without normalization; a smaller one is a symptom of weights that are off",
        unit="ratio",
    )


@fact
def wide_logits(recording: Recording) -> bool:
    """Whether the logits spread more than any healthy network's.

    Where a difference to the targets is squared: whether the outputs are as large.
    """
    most = limits_of(recording, LogitLimits).max_logits_std
    if recording.loss.logits_std is not None:
        return recording.loss.logits_std > most
    heads = [m.output for layer, m in measured(recording) if layer.head and m.output is not None and usable(m.output)]
    largest = max((signal.rms for signal in heads), default=0.0)
    squared = recording.loss.kind in ("mse", "l1", "smooth_l1", "huber")
    return squared and largest > most * max(1.0, input_rms(recording))


@fact
def has_symptom_with_norms(recording: Recording) -> bool:
    """Whether a network with normalization shows a symptom that none of 97 healthy ones has.

    Normalization takes the scale of weights away, but not all that follows from it.
    """
    high, growth = largest_output(recording), gradient_growth(recording)
    spreads = [m.attention_std for _, m in measured(recording) if m.attention_std is not None]
    return bool(
        (high and high[1] >= limits_of(recording, OutputLimits).high_rms_normalized)
        or (growth and growth[1] > limits_of(recording, GrowthLimits).high_growth_normalized)
        or max(spreads, default=0.0) > limits_of(recording, AttentionLimits).max_std
    )


def _drowns(recording: Recording) -> bool:
    """Whether the trunk starts so large that what normalized branches add to it, about 1 each, is lost in it."""
    if recording.trunk_normalized:  # then the trunk is of their size again
        return False
    scale = max(1.0, input_rms(recording))
    outputs = [m.output for layer, m in measured(recording) if not (layer.bypassable or layer.normed or layer.head)]
    levels = [signal.rms for signal in outputs if signal is not None and usable(signal)]
    return recording.branches > 0 and max(levels, default=0.0) > limits_of(recording, OutputLimits).high_rms * scale


@fact
def has_symptom(recording: Recording) -> bool:
    """Whether the network shows any symptom of a wrong scale that training would feel."""
    if wide_logits(recording):
        return True
    if recording.normalized:
        return _drowns(recording)
    low, high = smallest_output(recording), largest_output(recording)
    ratio, growth = gradient_ratio(recording), gradient_growth(recording)
    fading = limits_of(recording, FadingLimits)
    return bool(
        (low and low[1] < fading.low_output)
        or (high and high[1] > limits_of(recording, OutputLimits).high_rms)
        or (ratio and ratio[1] < fading.low_gradient_ratio)
        or (growth and growth[1] > limits_of(recording, GrowthLimits).high_growth)
        or any(m.output and m.output.non_finite for _, m in measured(recording))
    )

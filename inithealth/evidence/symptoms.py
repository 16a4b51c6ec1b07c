"""Symptoms of a wrong weight scale: activations, gradients or logits outside the range in which networks train.

The limits are those of the rules that report the symptoms; symptoms that no rule reports have limits of their own.
"""

from __future__ import annotations

from inithealth.evidence.facts import fact, limits_of
from inithealth.evidence.limits import SharedLimits, limit
from inithealth.evidence.losses import losses_of, predicts_well
from inithealth.evidence.signal_path import (
    gradient_growth,
    gradient_ratio,
    input_rms,
    largest_output,
    measured,
    smallest_output,
    usable,
)
from inithealth.recording import Loss, Recording

# Losses that compare predictions with targets by size; the predictions of a Poisson loss are its rates.
SIZED = frozenset({"mse", "l1", "smooth_l1", "huber", "poisson"})
_ALSO = "Beyond it, findings of weight-scale are errors"


class OutputLimits(SharedLimits):
    """How large outputs may be."""

    high_rms: float = limit(
        30.0,
        f"largest output without normalization; no healthy network of 97 exceeds 7.6. {_ALSO}",
        unit="rms, relative to an input above 1",
    )
    high_rms_normalized: float = limit(
        100.0,
        f"largest output with normalization, which limits the effect of the scale. {_ALSO}",
        unit="rms, relative to an input above 1",
    )


class GrowthLimits(SharedLimits):
    """How much gradients may grow in the backward pass."""

    high_growth: float = limit(
        50.0,
        f"largest gradient without normalization; healthy networks have 1. {_ALSO}",
        unit="ratio to the last layer's gradient",
    )
    high_growth_normalized: float = limit(
        1e5,
        f"largest gradient with normalization; the highest of 491 healthy networks is 7e3. {_ALSO}",
        unit="ratio to the last layer's gradient",
    )


class LogitLimits(SharedLimits):
    """How large the std of the logits may be."""

    max_logits_std: float = limit(
        8.0,
        f"largest std of the logits over the classes; 97 healthy networks have 5.0 at most. {_ALSO}, and it reports "
        "large heads and tied embeddings",
        unit="std",
    )

    error_logits_std: float = limit(
        30.0,
        "std of the logits beyond which it is an error: a network with 17 trained as well as with 1; with 40 all "
        "networks trained more slowly. A loss of 10 ln C alone is a warning",
        unit="std",
    )


class PredictionLimits(SharedLimits):
    """How much larger than the targets predictions may be, for losses that compare them."""

    max_over_base: float = limit(
        10.0,
        "binary cross-entropy relative to that of always predicting the mean target; with one positive in 1000 it is "
        "88 for a zero bias, 1.9 for a prior of 0.01",
        unit="ratio",
    )
    far_predictions: float = limit(
        3.0,
        "rms of the predictions relative to that of the targets beyond which a head with large weights is reported by "
        "weight-scale, and a dominant bias of a head by loss-at-init",
        unit="ratio",
    )


class AttentionLimits(SharedLimits):
    """How large the std of attention logits may be."""

    max_std: float = limit(
        10.0,
        f"largest std of the attention logits over the keys; 66 published networks start at 3.3 or less. {_ALSO}",
        unit="std",
    )


class FadingLimits(SharedLimits):
    """How small outputs and gradients may be in a network whose weights have a wrong scale.

    Fitted on networks labeled by training them. The limits are stricter than those of vanishing-activations and
    vanishing-gradients, since the weights are known to be outside the expected range.
    """

    low_output: float = limit(
        2.0**-5,
        "smallest output without normalization; a smaller one is a symptom of weights outside the expected range",
        unit="rms, relative to an input below 1",
    )
    low_gradient_ratio: float = limit(
        1 / 200,
        "smallest gradient over the largest, without normalization; a smaller one is a symptom of weights outside the "
        "expected range",
        unit="ratio",
    )


def prediction_ratio(loss: Loss) -> float:
    """Return the rms of the predictions over that of the targets; 0 if they are not known."""
    return (loss.prediction_rms or 0.0) / loss.target_rms if loss.target_rms else 0.0


@fact
def far_predictions(recording: Recording) -> frozenset[str]:
    """Return the layers whose predictions are far larger than their targets, for losses that compare them."""
    limits = limits_of(recording, PredictionLimits)
    return frozenset(
        head
        for loss in losses_of(recording)
        if loss.kind in SIZED and (loss.over_base or 0.0) > limits.max_over_base
        if prediction_ratio(loss) > limits.far_predictions
        for head in loss.heads
    )


def _widest(recording: Recording, loss: Loss) -> float:
    """Return the largest std of logits without a symptom: the gradient of a single logit is bounded."""
    limits = limits_of(recording, LogitLimits)
    return limits.error_logits_std if loss.kind == "bce_logits" else limits.max_logits_std


@fact
def wide_logits(recording: Recording) -> bool:
    """Whether the std of the logits is larger than in any healthy network.

    For regression losses: whether the outputs are that large.
    """
    most, losses = limits_of(recording, LogitLimits).max_logits_std, losses_of(recording)
    spreads = [loss for loss in losses if loss.logits_std is not None]
    if spreads:
        return any((loss.logits_std or 0.0) > _widest(recording, loss) for loss in spreads)
    heads = [m.output for layer, m in measured(recording) if layer.head and m.output is not None and usable(m.output)]
    largest = max((signal.rms for signal in heads), default=0.0)
    compared = [loss for loss in losses if loss.kind in SIZED]
    targets = max((loss.target_rms or 0.0 for loss in compared), default=0.0)
    return bool(compared) and largest > most * max(1.0, input_rms(recording), targets)


@fact
def has_symptom_with_norms(recording: Recording) -> bool:
    """Whether a network with normalization has a symptom that none of 97 healthy ones has.

    Normalization removes the scale of weights, but not all of its consequences.
    """
    high, growth = largest_output(recording), gradient_growth(recording)
    spreads = [m.attention_std for _, m in measured(recording) if m.attention_std is not None]
    return bool(
        (high and high[1] >= limits_of(recording, OutputLimits).high_rms_normalized)
        or (growth and growth[1] > limits_of(recording, GrowthLimits).high_growth_normalized)
        or max(spreads, default=0.0) > limits_of(recording, AttentionLimits).max_std
    )


def _hides_branches(recording: Recording) -> bool:
    """Whether the residual stream is so large that the outputs of normalized branches, about 1 each, are negligible."""
    if recording.trunk_normalized:  # the stream is normalized after each branch
        return False
    scale = max(1.0, input_rms(recording))
    outputs = [m.output for layer, m in measured(recording) if not (layer.bypassable or layer.normed or layer.head)]
    levels = [signal.rms for signal in outputs if signal is not None and usable(signal)]
    return recording.branches > 0 and max(levels, default=0.0) > limits_of(recording, OutputLimits).high_rms * scale


@fact
def has_symptom(recording: Recording) -> bool:
    """Whether the network has any symptom of a wrong scale that affects training."""
    if predicts_well(recording):
        return False
    if wide_logits(recording):
        return True
    if recording.normalized:
        return _hides_branches(recording)
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

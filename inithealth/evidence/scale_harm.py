"""Whether weights of a wrong scale keep a network from training, or are put right by it."""

from __future__ import annotations

from collections.abc import Sequence

from inithealth.evidence import symptoms
from inithealth.evidence.limits import Limits, limit
from inithealth.layer_kinds import PROJECTIONS
from inithealth.recording import Layer, Recording


class HarmLimits(Limits):
    """How far weights may be off before training fails."""

    max_octaves_lost: float = limit(
        10.0,
        "sum over the small layers on the way: one at 1/100 (6.6) slowed training at most, three (20) failed "
        "where it mattered",
        unit="octaves (factors of 2)",
    )
    max_octaves_of_whole: float = limit(
        4.0,
        "distance of a whole network beyond which it is an error: 8 times off was slowed at most, 20 to 100 "
        "times off failed",
        unit="octaves (factors of 2)",
    )
    max_octaves_before_norms: float = limit(
        5.0,
        "the same where the layers are right before norms: N(0, 1), 20 times too large, trained, 100 times "
        "too large slowed or failed",
        unit="octaves (factors of 2)",
    )
    min_rms_before_norm: float = limit(
        0.004,
        "smallest output that a norm right after it normalizes: below, the 1e-5 that norms add to a variance is two "
        "fifths of what they divide by",
        unit="rms",
    )


def loses_signal(layers: Sequence[Layer], octaves: float, limits: HarmLimits) -> bool:
    """Whether weights that are too small take more of the signal than training gives back."""
    return abs(octaves) * sum(not layer.bypassable for layer in layers) > limits.max_octaves_lost


def disables_branches(layers: Sequence[Layer], recording: Recording, limits: HarmLimits) -> bool:
    """Whether all norm weights are among those that are too small, and most outputs are not normalized again."""
    norms = [layer for layer in recording.layers if layer.kind == "norm"]
    return bool(norms) and all(norm in layers for norm in norms) and not _normalized_again(recording, limits)


def prevents_training(octaves: float, recording: Recording, limits: HarmLimits) -> bool:
    """Whether a network whose weights are all off by one factor does not learn.

    Right before a norm the gradient grows as weights shrink, so small ones recover; large ones change slower by the
    square of their size.
    """
    if _normalized_again(recording, limits):
        return octaves > limits.max_octaves_before_norms or (octaves > 0 and symptoms.has_symptom_with_norms(recording))
    return abs(octaves) > limits.max_octaves_of_whole or symptoms.has_symptom_with_norms(recording)


def _normalized_again(recording: Recording, limits: HarmLimits) -> bool:
    """Whether most layers are right before a norm, which takes away their scale and that of the one before them."""
    drawn = [layer for layer in recording.layers if layer.kind in PROJECTIONS and layer.reaches_loss and not layer.head]
    outputs = {name: m.output for name, m in recording.first.items() if m.output is not None}
    normalized = [
        layer
        for layer in drawn
        if layer.normed and (layer.name not in outputs or outputs[layer.name].rms > limits.min_rms_before_norm)
    ]
    return bool(drawn) and len(normalized) >= len(drawn) / 2

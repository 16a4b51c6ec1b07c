"""How far the scale of weights may deviate before training fails, with and without normalization."""

from __future__ import annotations

from inithealth.evidence.limits import SharedLimits, limit
from inithealth.layer_kinds import PROJECTIONS
from inithealth.recording import Recording


class HarmLimits(SharedLimits):
    """How far the scale of weights may deviate before training fails."""

    max_octaves_lost: float = limit(
        10.0,
        "largest sum of the deviations of small layers that no skip connection bypasses: networks with one layer "
        "scaled by 1/100 (6.6) still trained, some slowly; with three such layers (20) networks failed",
        unit="octaves (factors of 2)",
    )
    max_octaves_of_whole: float = limit(
        4.0,
        "deviation of all weights of a network beyond which it is an error: networks with a factor of 8 still trained, "
        "some slowly; with a factor of 20 to 100 they failed",
        unit="octaves (factors of 2)",
    )
    max_octaves_before_norms: float = limit(
        5.0,
        "the same if the layers are right before a normalization: N(0, 1), 20 times too large, trained; 100 times too "
        "large trained slowly or failed",
        unit="octaves (factors of 2)",
    )
    min_rms_before_norm: float = limit(
        0.004,
        "smallest output that a following normalization can normalize: below it, the epsilon of 1e-5 is more than 40% "
        "of the variance that it divides by",
        unit="rms",
    )


def mostly_normalized(recording: Recording, limits: HarmLimits) -> bool:
    """Whether most layers are right before a normalization, which removes the scale of their output."""
    drawn = [layer for layer in recording.layers if layer.kind in PROJECTIONS and layer.reaches_loss and not layer.head]
    outputs = {name: m.output for name, m in recording.first.items() if m.output is not None}
    normalized = [
        layer
        for layer in drawn
        if layer.normed and (layer.name not in outputs or outputs[layer.name].rms > limits.min_rms_before_norm)
    ]
    return bool(drawn) and len(normalized) >= len(drawn) / 2

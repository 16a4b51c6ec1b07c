"""How far the scale of weights may deviate before training fails, with and without normalization."""

from __future__ import annotations

from inithealth.evidence.facts import limits_of
from inithealth.evidence.limits import SharedLimits, limit
from inithealth.evidence.residual_stream import branches, growth, growth_without_norms
from inithealth.evidence.signal_path import gradient_growth, largest_output, measured
from inithealth.evidence.symptoms import GrowthLimits
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
    max_attention_std_of_whole: float = limit(
        35.0,
        "std of the attention logits beyond which it is an error that all weights are too large: transformers with 17 "
        "to 30 trained, some slowly; with 45 to 54 they failed",
        unit="std",
    )
    max_stream_growth_of_whole: float = limit(
        300.0,
        "growth of the residual stream beyond which it is an error that all weights are too large: the branches hide "
        "their input; transformers with 46 trained, with 2900 and 40000 they failed. With a normalized stream, the "
        "product over the branches counts: post-norm transformers with 4e4 and more failed",
        unit="ratio of the residual stream's rms",
    )
    max_rms_of_whole: float = limit(
        200.0,
        "largest output with normalization beyond which it is an error that all weights are too large: a network with "
        "105 trained as well as with 1; with 270 and more, networks trained slowly or failed",
        unit="rms, relative to an input above 1",
    )
    min_between_of_whole: float = limit(
        3e-4,
        "smallest share of a head's input that differs between samples, below which it is an error that all weights of "
        "a network with normalization are too small: biases and positions outweigh the samples. At 1e-4 transformers "
        "and ConvNets failed; at 6e-4 networks trained, some slowly",
        unit="share of the sum of squares",
    )
    min_rms_before_norm: float = limit(
        0.001,
        "smallest output that a following normalization can normalize: below it, the epsilon of 1e-5 is more than 90% "
        "of the variance that it divides by; a U-Net with most outputs at 0.003 trained as well as at 0.3",
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


def too_large_for_norms(recording: Recording, limits: HarmLimits) -> bool:
    """Whether large weights have an effect that normalization does not remove.

    The attention is saturated in all layers, the residual branches hide their input, or the outputs or gradients are
    out of range.
    """
    output, gradient = largest_output(recording), gradient_growth(recording)
    attention = max((m.attention_std or 0.0 for _, m in measured(recording)), default=0.0)
    stream = (growth_without_norms if recording.trunk_normalized else growth)(branches(recording))
    return bool(
        attention > limits.max_attention_std_of_whole
        or stream > limits.max_stream_growth_of_whole
        or (output and output[1] > limits.max_rms_of_whole)
        or (gradient and gradient[1] > limits_of(recording, GrowthLimits).high_growth_normalized)
    )

"""Biases that dominate the layer's output: one cause with different symptoms, depending on the activation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from inithealth.evidence import signal_path
from inithealth.evidence.wording import number
from inithealth.findings import Finding
from inithealth.recording import Layer, Measurement
from inithealth.rules.base import Rule, limit
from inithealth.rules.causality import Stage

BIAS = "bias"  # the variant of findings that a bias causes


class BiasAware(Rule):
    """A rule whose findings can be caused by a bias."""

    variant_ranks: ClassVar[Mapping[str, int]] = {BIAS: Stage.DOMINANT_BIAS}
    max_bias_rms: float = limit(
        3.0,
        "largest rms of a bias: a larger one can dominate the output of the units",
        unit="rms",
    )
    bias_dominance: float = limit(
        5.0,
        "smallest ratio of the bias to the weights' contribution for the bias to dominate the output",
        unit="ratio to the weights' contribution",
    )
    bias_dominance_normed: float = limit(
        1e6,
        "the same if a normalization follows, which removes the bias; beyond 1e6x even normalization cannot help: "
        "rounding has erased the weights' contribution (float32 has seven digits)",
        unit="ratio to the weights' contribution",
    )

    def bias_dominates(self, layer: Layer, m: Measurement) -> bool:
        """Whether a layer's bias dominates its output, and no normalization removes the bias.

        A normalization cannot help if rounding has erased the weights' contribution.
        """
        if layer.bias is None or layer.weight is None or not layer.bias.rms > self.max_bias_rms:
            return False
        if layer.feeds == "unknown":  # the bias may set it intentionally, as with the rate of a decay
            return False
        if layer.weight.abs_max == 0.0:  # zero weights with a non-zero bias are a deliberate start
            return False
        level = m.input.rms if m.input is not None and signal_path.usable(m.input) else 1.0
        dominance = self.bias_dominance_normed if layer.normed else self.bias_dominance
        return layer.bias.rms > dominance * (layer.weight.gain or 1.0) * level


def bias_cause(layers: Sequence[Layer]) -> str:
    """Return the `cause` text for biases that dominate the output of these layers."""
    means = ", ".join(number(layer.bias.mean) for layer in layers[:3] if layer.bias is not None)
    return f"bias of mean {means} outweighs the weights' contribution"


def caused_by_bias(finding: Finding) -> bool:
    """Whether a finding's cause is a bias."""
    return finding.variant == BIAS

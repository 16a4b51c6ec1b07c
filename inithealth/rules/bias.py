"""Biases that outweigh what the weights contribute: one cause, whatever the activation makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from inithealth.evidence import signal_path
from inithealth.evidence.wording import number
from inithealth.findings import Finding
from inithealth.recording import Layer, Measurement
from inithealth.rules.base import Rule, limit

_WORD = "bias"  # how a cause begins that lies in the bias


class BiasAware(Rule):
    """A rule whose findings may be a bias's doing."""

    bias_rank: ClassVar[int] = 3  # before the zeros: behind a layer that its bias has shut nothing wakes
    max_bias_rms: float = limit(
        3.0,
        "largest rms of a bias: a larger one shifts every unit by itself",
        unit="rms",
    )
    bias_dominance: float = limit(
        5.0,
        "how much larger than what the weights contribute a bias has to be to decide the output",
        unit="ratio to the weights' contribution",
    )
    bias_dominance_normed: float = limit(
        1e6,
        "the same where a normalization takes the bias away: only rounding loses what the weights contribute, float32 "
        "has seven digits",
        unit="ratio to the weights' contribution",
    )

    def order(self, finding: Finding) -> int:
        return self.bias_rank if caused_by_bias(finding) else self.rank

    def bias_dominates(self, layer: Layer, m: Measurement) -> bool:
        """Whether a layer's bias decides its output, and no normalization takes it away.

        None does where the rounding of such a bias has lost what the weights contribute.
        """
        if layer.bias is None or layer.weight is None or not layer.bias.rms > self.max_bias_rms:
            return False
        if layer.feeds == "unknown":  # a decay's rate, say, is meant to be decided by it
            return False
        if layer.weight.abs_max == 0.0:  # who sets the weights to zero means the bias to be the start
            return False
        level = m.input.rms if m.input is not None and signal_path.usable(m.input) else 1.0
        dominance = self.bias_dominance_normed if layer.normed else self.bias_dominance
        return layer.bias.rms > dominance * (layer.weight.gain or 1.0) * level


def bias_cause(layers: Sequence[Layer]) -> str:
    """The cause in words."""
    means = ", ".join(number(layer.bias.mean) for layer in layers[:3] if layer.bias is not None)
    return f"{_WORD} of mean {means} outweighs what the weights contribute"


def caused_by_bias(finding: Finding) -> bool:
    """Whether a finding's cause is a bias."""
    return finding.cause.startswith(_WORD)

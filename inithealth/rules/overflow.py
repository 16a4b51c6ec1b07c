"""Outputs that are too large for an exponential, as that of a written loss or of a log-variance."""

from __future__ import annotations

from collections.abc import Iterator

from inithealth.evidence import fixes, singular
from inithealth.evidence.loss_heads import variant_of
from inithealth.evidence.wording import number, span
from inithealth.findings import Finding, Severity
from inithealth.recording import Recording
from inithealth.rules.base import Rule


class Overflow(Rule):
    """A rule that names the layers whose outputs make an exponential overflow, and with it the loss."""

    def overflow(self, recording: Recording) -> Iterator[Finding]:
        """Yield a finding on the layers whose outputs enter the exponential, if it is infinite at the first step."""
        found, layers = singular.at_start(recording), singular.sources(recording)
        if found is None or found.largest is None or not layers:
            return
        outputs = [m.output.rms for m in map(recording.first.get, (each.name for each in layers)) if m and m.output]
        rms = f", with outputs of rms {number(max(outputs))}" if outputs else ""
        yield self.finding(
            layers,
            f"{span(layers)}: an exponential downstream is infinite for {max(found.share, 0.001):.1%} of the "
            f"values{rms}; the limit of the exponent is {number(found.largest)}",
            severity=Severity.ERROR,
            variant=variant_of(recording, layers),
            measured=found.share,
            limit=found.largest,
            cause="the loss and all gradients are not finite, because the outputs are too large",
            fix=fixes.each(layers),
        )

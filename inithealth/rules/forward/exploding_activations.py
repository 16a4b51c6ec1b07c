from __future__ import annotations

from collections.abc import Iterator

from inithealth import levels, remedy
from inithealth.findings import Finding, Severity
from inithealth.recording import Recording
from inithealth.rules.base import Rule
from inithealth.rules.forward.vanishing_activations import explain_gain, strongest


class ExplodingActivations(Rule):
    """The signal grows with depth.

    ## What it checks
    The highest activation rms, relative to the input where that is above 1.

    ## Why it matters
    Large activations make a large loss and gradients that throw the weights away in the first step; in
    half precision they overflow.

    ## How to fix
    Initialize with the gain of the activation, scale residual branches down with depth, or normalize.

    ## When to ignore
    When a normalization right behind the layer takes the scale away again.

    ## References
    He et al. 2015, https://arxiv.org/abs/1502.01852; Zhang et al., Fixup, https://arxiv.org/abs/1901.09321
    """

    code = "IH202"
    name = "exploding-activations"
    severity = Severity.WARNING
    rank = 41
    explains = frozenset({"IH203", "IH205", "IH208", "IH301", "IH302", "IH303"})
    high_rms: float = 30.0  # without normalization; no healthy net of 97 exceeds 7.6
    highest_rms: float = 300.0  # without normalization: none trained
    high_rms_normalized: float = 100.0  # a norm takes the scale away: only a far larger one matters
    highest_rms_normalized: float = 1e3  # fp16 overflows at 6.5e4, some tens of standard deviations away

    def check(self, recording: Recording) -> Iterator[Finding]:
        found = levels.largest_output(recording)
        high, highest = (
            (self.high_rms_normalized, self.highest_rms_normalized)
            if recording.normalized
            else (self.high_rms, self.highest_rms)
        )
        if found is None or found[1] <= high:
            return
        at, rms = found
        before = [layer for layer, _ in levels.measured(recording) if layer.index <= at.index]
        blamed = strongest([layer for layer in before if not layer.bypassable or layer.ends_branch] or before)
        yield self.finding(
            blamed,
            f"activations grow to rms {rms:.3g} times the input's at {at.name}",
            severity=Severity.ERROR if rms > highest else Severity.WARNING,
            measured=rms,
            limit=high,
            cause=explain_gain(blamed),
            fix=remedy.each(blamed),
        )

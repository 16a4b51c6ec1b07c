from __future__ import annotations

from collections.abc import Iterator

from inithealth.findings import Finding, Severity
from inithealth.layer_kinds import DRAWN
from inithealth.recording import Recording
from inithealth.rules.base import Rule, span


class NothingRecorded(Rule):
    """Layers that were to be measured left no numbers.

    ## What it checks
    Whether any layer's output or gradient was measured at all, and whether the autograd graph could be
    read.

    ## Why it matters
    A report without measurements finds nothing wrong: silence would look like health.

    ## How to fix
    See "not measured" in the report for the reason. Compiled and scripted modules show less; call the
    model as a whole inside `watch`.

    ## When to ignore
    When the part that is not measured is known to be healthy.

    ## References
    https://docs.pytorch.org/docs/stable/notes/modules.html
    """

    code = "IH409"
    name = "nothing-recorded"
    severity = Severity.WARNING
    rank = 49

    def check(self, recording: Recording) -> Iterator[Finding]:
        weights = [layer for layer in recording.layers if layer.kind in DRAWN]
        outputs = [m for m in recording.first.values() if m.output is not None or m.gradient is not None]
        reason = recording.not_measured[0] if recording.not_measured else "no forward pass was seen"
        if not outputs:
            yield self.finding(
                weights[:1],
                f"no activation of {len(recording.layers)} layers was measured" if weights else "nothing was measured",
                # Tables that are only picked from and multiplied have no layers that could be missed.
                severity=self.severity if weights or not recording.layers else Severity.INFO,
                measured=0.0,
                limit=float(len(weights)),
                cause=reason,
                fix="call the model as a whole inside watch(model), before monitor.step(loss)",
            )
        elif not recording.graph:
            yield self.finding(
                weights[:1],
                f"the autograd graph was not read: what {span(weights)} feed is not known",
                cause=reason,
                fix="pass monitor.step the loss of a forward pass of the watched model",
            )

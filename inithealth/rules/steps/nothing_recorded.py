from __future__ import annotations

from collections.abc import Iterator

from inithealth.findings import Finding, Severity
from inithealth.layer_kinds import DRAWN
from inithealth.recording import Recording
from inithealth.rules.base import Rule, span
from inithealth.rules.causality import Stage


class NothingRecorded(Rule):
    """No layer was measured.

    ## What it checks
    Whether the output or gradient of at least one layer was measured, and whether the autograd graph could
    be read.

    ## Why it matters
    Without measurements most rules find nothing, and the report would wrongly look healthy.

    ## How to fix
    The report gives the reason under "not measured". Less can be measured in compiled and scripted modules.
    Inside `watch`, call the whole model.

    ## When to ignore
    If the layers that are not measured are known to be healthy.

    ## References
    https://docs.pytorch.org/docs/stable/notes/modules.html
    """

    code = "IH409"
    name = "nothing-recorded"
    severity = Severity.WARNING
    rank = Stage.NON_FINITE_LOSS

    def check(self, recording: Recording) -> Iterator[Finding]:
        weights = [layer for layer in recording.layers if layer.kind in DRAWN]
        outputs = [m for m in recording.first.values() if m.output is not None or m.gradient is not None]
        reason = recording.not_measured[0] if recording.not_measured else "no forward pass was seen"
        if not outputs:
            yield self.finding(
                weights[:1],
                f"no activation of {len(recording.layers)} layers was measured" if weights else "nothing was measured",
                # A model of embedding tables alone has no layers to measure.
                severity=self.severity if weights or not recording.layers else Severity.INFO,
                measured=0.0,
                limit=float(len(weights)),
                cause=reason,
                fix="call the watched model itself, as model(x), and not a copy of it: before monitor.step(loss) in a "
                "loop, in training_step with a Trainer. With manual optimization, call self.manual_backward(loss)",
            )
        elif not recording.graph:
            yield self.finding(
                weights[:1],
                f"the autograd graph was not read: the connections of {span(weights)} are not known",
                cause=reason,
                fix="compute the loss from the output of the watched model: pass it to monitor.step in a loop, return "
                "it from training_step with a Trainer",
            )

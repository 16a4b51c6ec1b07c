from __future__ import annotations

from collections.abc import Iterator

from inithealth.evidence import gain_causes, signal_path
from inithealth.evidence.symptoms import GrowthLimits
from inithealth.evidence.wording import called, times
from inithealth.findings import Finding, Severity
from inithealth.recording import Recording
from inithealth.rules.base import Rule, limit
from inithealth.rules.causality import Stage


class ExplodingGradients(GrowthLimits, gain_causes.GainLimits, Rule):
    """Gradients grow in the backward pass.

    ## What it checks
    The largest gradient norm at a layer's output, relative to that of the last layer.

    ## Why it matters
    With a learning rate that suits the last layers, the first optimizer step destroys the initialization
    of the first layers.

    ## How to fix
    Initialize with the gain of the activation. Scale residual branches down with depth.

    ## When to ignore
    Gradients of BatchNorm networks grow with depth, and such networks train; the limit for networks with
    normalization takes this into account.

    ## References
    Yang et al., A Mean Field Theory of Batch Normalization, https://arxiv.org/abs/1902.08129
    """

    code = "IH302"
    name = "exploding-gradients"
    severity = Severity.WARNING
    rank = Stage.EXPLODING_GRADIENTS
    explains = frozenset("IH203 IH303 IH402 IH403 IH404 IH405 IH406".split())
    highest_growth: float = limit(
        1e3,
        "growth without normalization beyond which it is an error: no such network trained",
        unit="ratio to the last layer's gradient",
    )
    highest_growth_normalized: float = limit(
        1e7,
        "growth with normalization beyond which it is an error: from here on float16 overflows",
        unit="ratio to the last layer's gradient",
    )

    def skipped(self, recording: Recording) -> str | None:
        if recording.differentiated:
            return "the loss contains derivatives, so its gradient does not reflect the forward pass"
        return None if signal_path.gradient_growth(recording) else "fewer than two layers have a non-zero gradient"

    def check(self, recording: Recording) -> Iterator[Finding]:
        found = signal_path.gradient_growth(recording)
        high, highest = (
            (self.high_growth_normalized, self.highest_growth_normalized)
            if recording.normalized
            else (self.high_growth, self.highest_growth)
        )
        if found is None or found[1] <= high:
            return
        at, growth, last = found
        layers = [layer for layer, _ in signal_path.measured(recording)]
        causes = gain_causes.strongest(layers, [layer for layer in layers if layer.index >= at.index], self)
        yield self.finding(
            causes,
            f"gradients grow {times(growth)} in the backward pass from {called(last)} to {called(at)} "
            f"(limit {times(high)})",
            severity=Severity.ERROR if growth > highest else Severity.WARNING,
            measured=growth,
            limit=high,
            cause=gain_causes.explain(causes, self, of="gradient"),
            fix=gain_causes.fix(causes),
        )

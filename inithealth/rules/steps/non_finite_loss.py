from __future__ import annotations

import math
from collections.abc import Iterator

from inithealth.evidence.fixes import LOWER_RATE
from inithealth.evidence.wording import seen_at
from inithealth.findings import Finding, Severity
from inithealth.recording import Recording
from inithealth.rules.base import Rule


class NonFiniteLoss(Rule):
    """The loss is NaN or infinite.

    ## What it checks
    The loss of every recorded step.

    ## Why it matters
    Lightning counts such a run as finished; every step after it is wasted.

    ## How to fix
    See the first layer whose output or gradient is not finite, where one is named; else lower the
    learning rate, clip gradients, or look into the loss function for logarithms and divisions.

    ## When to ignore
    While a loss scaler warms up, when it skips the step.

    ## References
    https://docs.pytorch.org/docs/stable/notes/numerical_accuracy.html
    """

    code = "IH405"
    name = "non-finite-loss"
    severity = Severity.ERROR
    rank = 48

    def check(self, recording: Recording) -> Iterator[Finding]:
        for step in recording.steps:
            if step.loss is not None and not math.isfinite(step.loss):
                yield self.finding(
                    [],
                    f"the loss is {step.loss}{seen_at(step) or ' at step 0'}",
                    step=step.index,
                    cause=f"the loss was finite until step {step.index}" if step.index else "so it starts",
                    fix=LOWER_RATE
                    if step.index
                    else "look into the loss function: a logarithm, root or division wants an epsilon",
                )
                return

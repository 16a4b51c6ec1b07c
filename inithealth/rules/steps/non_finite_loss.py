from __future__ import annotations

import math
from collections.abc import Iterator

from inithealth.evidence import singular
from inithealth.evidence.fixes import LOWER_RATE
from inithealth.evidence.wording import seen_at
from inithealth.findings import Finding, Severity
from inithealth.recording import Recording, Step
from inithealth.rules.base import Rule
from inithealth.rules.causality import Stage


class NonFiniteLoss(Rule):
    """The loss is NaN or infinite.

    ## What it checks
    The loss of every recorded step.

    ## Why it matters
    By default Lightning does not stop such a run, and every further step is wasted.

    ## How to fix
    If another finding names the first layer whose output or gradient is not finite, fix that layer.
    Otherwise, lower the learning rate, clip the gradients, or check the logarithms and divisions in the
    loss function.

    ## When to ignore
    While a loss scaler warms up and skips the step.

    ## References
    https://docs.pytorch.org/docs/stable/notes/numerical_accuracy.html
    """

    code = "IH405"
    name = "non-finite-loss"
    severity = Severity.ERROR
    rank = Stage.NON_FINITE_LOSS

    def check(self, recording: Recording) -> Iterator[Finding]:
        for step in recording.steps:
            if step.loss is not None and not math.isfinite(step.loss):
                yield (
                    self._start(recording, step)
                    if step.index == 0
                    else self.finding(
                        [],
                        f"the loss is {step.loss}{seen_at(step)}",
                        step=step.index,
                        cause=f"the loss was finite until step {step.index}",
                        fix=LOWER_RATE,
                    )
                )
                return

    def _start(self, recording: Recording, step: Step) -> Finding:
        known = singular.description(recording)
        return self.finding(
            singular.sources(recording),
            f"the loss is {step.loss} at step 0{f': {known}' if known else ''}",
            cause=known or "the loss is not finite from the start",
            fix=singular.fix(recording)
            or "check the loss function: add an epsilon to its logarithms, roots and divisions",
        )

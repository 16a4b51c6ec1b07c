from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import ClassVar

from inithealth.evidence import singular
from inithealth.evidence.wording import called, count
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Measurement, Recording
from inithealth.rules.base import Rule
from inithealth.rules.causality import Stage


class NonFiniteGradients(Rule):
    """Gradients are NaN or infinite although the loss is finite.

    ## What it checks
    The gradients of layer outputs and of weights at every recorded step. The rule names the layer nearest
    to the loss, which the backward pass reaches first.

    ## Why it matters
    One optimizer step makes the weights NaN.

    ## How to fix
    Look for a square root, logarithm or division at zero downstream of the named layer: `sqrt(x)` has an
    infinite slope at 0, so write `sqrt(x + eps)`. NaN from `torch.where` comes from the branch that is not
    selected.

    ## When to ignore
    While a loss scaler warms up and skips the step.

    ## References
    https://github.com/pytorch/pytorch/issues/4132
    """

    code = "IH303"
    name = "non-finite-gradients"
    severity = Severity.ERROR
    rank = Stage.NON_FINITE_GRADIENTS
    # An infinite slope at zero can be a consequence of dead units.
    variant_ranks: ClassVar[Mapping[str, int]] = dict.fromkeys((singular.DEAD, singular.OVERFLOW), Stage.SYMMETRY)
    explains = frozenset({"IH301", "IH302", "IH304", "IH305", "IH405"})

    def check(self, recording: Recording) -> Iterator[Finding]:
        order = {layer.name: layer for layer in recording.layers}
        for step in recording.steps:
            if not math.isfinite(step.loss or 0.0):
                return  # a non-finite loss always has non-finite gradients
            bad = [order[m.layer] for m in step.layers if m.layer in order and _broken(m)]
            if bad:
                known = singular.description(recording) if step.index == 0 else ""
                variant = singular.variant(recording) if step.index == 0 else ""
                yield self._first(sorted(bad, key=lambda layer: -layer.index), step.index, known, variant)
                return

    def _first(self, bad: list[Layer], step: int, known: str, variant: str) -> Finding:
        last = called(bad[0])
        others = f"; also that of {count(len(bad) - 1, 'upstream layer')}" if len(bad) > 1 else ""
        cause = f"an operation between {last} and the loss has an infinite or undefined slope here, or overflows"
        return self.finding(
            bad,
            f"{last}: the gradient is NaN or infinite{f' at step {step}' if step else ''}{others}",
            step=step,
            measured=float(len(bad)),
            limit=0.0,
            variant=variant,
            cause=f"{cause}: {known}" if known else cause,
            fix=f"add an epsilon inside the roots and logarithms downstream of {last}",
        )


def _broken(m: Measurement) -> bool:
    signal = m.gradient is not None and m.gradient.non_finite > 0
    return signal or (m.weight_gradient is not None and not math.isfinite(m.weight_gradient))

from __future__ import annotations

import math
from collections.abc import Iterator

from inithealth.evidence.wording import called, count
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Measurement, Recording
from inithealth.rules.base import Rule


class NonFiniteGradients(Rule):
    """Gradients are NaN or infinite though the loss is finite.

    ## What it checks
    The gradients of layer outputs and of weights at every recorded step; the layer nearest to the loss
    is named, since the backward pass meets it first.

    ## Why it matters
    One optimizer step turns the weights into NaN.

    ## How to fix
    Look for a root, a logarithm or a division at zero behind the named layer (`sqrt(x)` has an infinite
    slope at 0: write `sqrt(x + eps)`); NaN from `torch.where` comes from the branch not taken.

    ## When to ignore
    While a loss scaler warms up, when it skips the step.

    ## References
    https://github.com/pytorch/pytorch/issues/4132
    """

    code = "IH303"
    name = "non-finite-gradients"
    severity = Severity.ERROR
    rank = 3
    explains = frozenset({"IH301", "IH302", "IH304", "IH305", "IH405"})

    def check(self, recording: Recording) -> Iterator[Finding]:
        order = {layer.name: layer for layer in recording.layers}
        for step in recording.steps:
            if not math.isfinite(step.loss or 0.0):
                return  # a loss that is not finite has no other gradients
            bad = [order[m.layer] for m in step.layers if m.layer in order and _broken(m)]
            if bad:
                yield self._first(sorted(bad, key=lambda layer: -layer.index), step.index)
                return

    def _first(self, bad: list[Layer], step: int) -> Finding:
        last = called(bad[0])
        others = f", and that of {count(len(bad) - 1, 'layer')} before it" if len(bad) > 1 else ""
        return self.finding(
            bad,
            f"{last}: the gradient is NaN or infinite{f' at step {step}' if step else ''}{others}",
            step=step,
            measured=float(len(bad)),
            limit=0.0,
            cause=f"an operation between {last} and the loss has no finite slope here, or overflows",
            fix=f"add an epsilon inside the roots and logarithms of what is computed from {last}",
        )


def _broken(m: Measurement) -> bool:
    signal = m.gradient is not None and m.gradient.non_finite > 0
    return signal or (m.weight_gradient is not None and not math.isfinite(m.weight_gradient))

from __future__ import annotations

import math
from collections.abc import Iterator

from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Recording
from inithealth.rules.base import Rule
from inithealth.rules.wording import called, count


class NonFiniteGradients(Rule):
    """Gradients are NaN or infinite though the loss is finite.

    ## What it checks
    The gradients of layer outputs and of weights, exactly; the layer nearest to the loss is named,
    since the backward pass meets it first.

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
        if recording.steps and not math.isfinite(recording.steps[0].loss or 0.0):
            return  # a loss that is not finite has no other gradients
        order = {layer.name: layer for layer in recording.layers}
        bad: list[Layer] = []
        for m in recording.first.values():
            signal = m.gradient is not None and m.gradient.non_finite > 0
            weight = m.weight_gradient is not None and not math.isfinite(m.weight_gradient)
            if m.layer in order and (signal or weight):
                bad.append(order[m.layer])
        if not bad:
            return
        bad.sort(key=lambda layer: -layer.index)
        others = f", and so of {count(len(bad) - 1, 'layer')} before it" if len(bad) > 1 else ""
        yield self.finding(
            bad,
            f"{called(bad[0])}: the gradient is NaN or infinite{others}",
            measured=float(len(bad)),
            limit=0.0,
            cause=f"an operation between {called(bad[0])} and the loss has no finite slope here, or overflows",
            fix=f"add an epsilon inside the roots and logarithms of what is computed from {called(bad[0])}",
        )

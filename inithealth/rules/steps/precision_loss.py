from __future__ import annotations

from collections.abc import Iterator

from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Recording, Step
from inithealth.rules.base import Rule, span
from inithealth.rules.wording import count

_MATRICES = ("linear", "conv", "rnn", "bilinear", "bmm")


class PrecisionLoss(Rule):
    """Half precision swallows what training does.

    ## What it checks
    Weights kept in float16 or bfloat16: the share of their elements that steps leave bit for bit as they
    were although a gradient came. And steps that the loss scaler skipped in a row: one or two while it
    warms up are normal.

    ## Why it matters
    bfloat16 knows two to three digits: an update of a thousandth of a weight is rounded away, step after
    step, and nothing says so. A scaler that keeps skipping trains nothing.

    ## How to fix
    Keep the weights in float32 and compute in half precision (precision="bf16-mixed"); find the layer
    whose gradient overflows.

    ## When to ignore
    With optimizers that keep a float32 copy of the weights, or round at random.

    ## References
    Micikevicius et al., Mixed Precision Training, https://arxiv.org/abs/1710.03740
    """

    code = "IH407"
    name = "precision-loss"
    severity = Severity.WARNING
    rank = 59
    explains = frozenset({"IH402", "IH406", "IH408"})
    max_unmoved: float = 0.5  # of the elements; in float32 a thousandth stays by chance
    max_overflows: int = 4  # skipped in a row: a scale of 2^16 that is too large by half comes down in one
    min_steps: int = 2  # watched steps in a row; one batch may be odd

    def check(self, recording: Recording) -> Iterator[Finding]:
        overflown = max((step for step in recording.steps), key=lambda step: step.overflows, default=None)
        if overflown is not None and overflown.overflows > self.max_overflows:
            yield self.finding(
                [],
                f"the loss scaler skipped {count(overflown.overflows, 'step')} in a row before step "
                f"{overflown.index} (limit {self.max_overflows})",
                measured=float(overflown.overflows),
                limit=float(self.max_overflows),
                step=overflown.index,
                cause="gradients overflow float16 whatever the loss scale",
                fix='use precision="bf16-mixed", or find what makes the gradients so large',
            )
        steps = [step for step in recording.steps if step.updates][-self.min_steps :]
        if len(steps) < self.min_steps:
            return
        lost = [layer for layer in recording.layers if _is_half(layer) and all(self._lost(layer, s) for s in steps)]
        if lost:
            share = min(steps[-1].updates[layer.name].unmoved for layer in lost)
            yield self.finding(
                lost,
                f"{span(lost)}: {share:.0%} or more of the weights are as they were before the step "
                f"(limit {self.max_unmoved:.0%})",
                measured=share,
                limit=self.max_unmoved,
                step=steps[-1].index,
                cause="the updates are smaller than half precision can add to the weights",
                fix='keep float32 weights: Trainer(precision="bf16-mixed") in place of "bf16-true"',
            )

    def _lost(self, layer: Layer, step: Step) -> bool:
        update = step.updates.get(layer.name)
        pushed = any(m.layer == layer.name and (m.weight_gradient or 0.0) > 0.0 for m in step.layers)
        return update is not None and pushed and bool(update.rate) and update.unmoved > self.max_unmoved


def _is_half(layer: Layer) -> bool:
    return layer.weight is not None and layer.weight.half_precision and layer.kind in _MATRICES

from __future__ import annotations

from collections.abc import Iterator, Sequence

from inithealth.evidence import float16
from inithealth.evidence.wording import number
from inithealth.findings import Finding, Severity
from inithealth.layer_kinds import MATRICES
from inithealth.recording import Layer, Recording, Step
from inithealth.rules.base import Rule, limit, span
from inithealth.rules.causality import Stage


class PrecisionLoss(Rule):
    """Half precision rounds gradients or updates to zero, or overflows.

    ## What it checks
    In float16: the share of gradient elements at the layers' outputs that are rounded to zero (estimated
    from the rms of the others and the loss scale), and outputs close to the largest float16 number.
    For weights in float16 or bfloat16: the share of elements that a step leaves unchanged although they
    have a gradient. With a loss scaler: consecutive skipped steps; one or two during its warm-up are normal.

    ## Why it matters
    float16 has no numbers above 65,504 or below 6e-8. bfloat16 has the range of float32 but only two to
    three significant digits, so an update of 1/1000 of a weight is rounded to zero at every step, without
    an error. If the scaler skips all steps, the network does not train.

    ## How to fix
    Keep the weights in float32 and compute in half precision (precision="bf16-mixed"). With float16, use a
    loss scaler and find the layer whose gradient overflows.

    ## When to ignore
    With optimizers that keep a float32 copy of the weights, or use stochastic rounding.

    ## References
    Micikevicius et al., Mixed Precision Training, https://arxiv.org/abs/1710.03740
    """

    code = "IH407"
    name = "precision-loss"
    severity = Severity.WARNING
    rank = Stage.PRECISION
    explains = frozenset({"IH304", "IH402", "IH406", "IH408"})
    max_unmoved: float = limit(
        0.5,
        "largest share of a half-precision weight that a step leaves unchanged; in float32 it is 1/1000 by chance",
        unit="share of elements",
    )
    max_overflows: int = limit(
        4,
        "most consecutive steps that the loss scaler skips: one skipped step halves the scale",
        unit="optimizer steps",
    )
    min_steps: int = limit(
        2,
        "consecutive recorded steps in which the problem must appear; a single batch can be an exception",
        unit="recorded steps",
        at_least=1,
    )
    max_flushed: float = limit(
        0.1,
        "largest share of a layer's gradient that float16 rounds to zero; the other elements then have two bits",
        unit="share of elements",
    )
    max_flushed_layers: float = limit(
        0.5,
        "largest share of layers with such gradients: if more than half have them, the loss scale is too small",
        unit="share of layers",
        at_least=0.0,
    )
    max_output: float = limit(
        0.5,
        "largest output relative to the largest float16 number: weights or a signal can double within a few steps",
        unit="share of 65,504",
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        yield from self._skipping(recording)
        updated = [step for step in recording.steps if step.updates][-self.min_steps :]
        if len(updated) == self.min_steps:
            yield from self._rounded(recording, updated)
        last = recording.steps[-self.min_steps :]
        if len(last) == self.min_steps:
            yield from self._flushed(recording, last)
            yield from self._near_the_end(recording, last)

    def _skipping(self, recording: Recording) -> Iterator[Finding]:
        """Yield a finding if the loss scaler skipped too many consecutive steps."""
        worst = max(recording.steps, key=lambda step: step.overflows, default=None)
        if worst is not None and worst.overflows > self.max_overflows:
            yield self.finding(
                [],
                f"the loss scaler skipped {worst.overflows} consecutive steps before step {worst.index} "
                f"(limit {self.max_overflows})",
                measured=float(worst.overflows),
                limit=float(self.max_overflows),
                step=worst.index,
                cause="gradients overflow float16 at any loss scale",
                fix='use precision="bf16-mixed", or find the layer whose gradient overflows',
            )

    def _rounded(self, recording: Recording, steps: Sequence[Step]) -> Iterator[Finding]:
        """Yield a finding if updates are too small to change half-precision weights."""
        half = [layer for layer, weight in recording.weighted if weight.half_precision and layer.kind in MATRICES]
        lost = [layer for layer in half if all(self._lost(layer, step) for step in steps)]
        if lost:
            share = min(steps[-1].updates[layer.name].unmoved for layer in lost)
            yield self.finding(
                lost,
                f"{span(lost)}: the optimizer step left {share:.0%} or more of the weights unchanged "
                f"(limit {self.max_unmoved:.0%})",
                measured=share,
                limit=self.max_unmoved,
                step=steps[-1].index,
                cause="the updates are smaller than the half-precision rounding of the weights",
                fix='keep float32 weights: Trainer(precision="bf16-mixed") instead of "bf16-true"',
            )

    def _lost(self, layer: Layer, step: Step) -> bool:
        update = step.updates.get(layer.name)
        pushed = any(m.layer == layer.name and (m.weight_gradient or 0.0) > 0.0 for m in step.layers)
        return update is not None and pushed and bool(update.rate) and update.unmoved > self.max_unmoved

    def _flushed(self, recording: Recording, steps: Sequence[Step]) -> Iterator[Finding]:
        """Yield a finding if gradients are so small that float16 rounds them to zero."""
        shares = [float16.flushed(step) for step in steps]
        names = [name for name in shares[-1] if all(each.get(name, 0.0) > self.max_flushed for each in shares)]
        if len(names) <= self.max_flushed_layers * len(shares[-1]):
            return
        lost = [layer for layer in recording.layers if layer.name in names]
        share, scale = min(shares[-1][name] for name in names), steps[-1].loss_scale
        yield self.finding(
            lost,
            f"{span(lost)}: {share:.0%} or more of the gradient is rounded to zero in float16 "
            f"(limit {self.max_flushed:.0%}, loss scale {number(scale)})",
            measured=share,
            limit=self.max_flushed,
            step=steps[-1].index,
            cause="the gradients are smaller than the smallest float16 number, 6e-8",
            fix='Trainer(precision="16-mixed") scales the loss up, "bf16-mixed" needs no scale'
            if scale == 1.0
            else "start with a larger loss scale: torch.amp.GradScaler(init_scale=2.0**24)",
        )

    def _near_the_end(self, recording: Recording, steps: Sequence[Step]) -> Iterator[Finding]:
        """Yield a finding if outputs are close to an overflow."""
        limit = self.max_output * float16.LARGEST
        found = [float16.outputs_beyond(limit, step) for step in steps]
        close = [layer for layer in recording.layers if all(layer.name in each for each in found)]
        if close:
            top = max(found[-1][layer.name] for layer in close)
            yield self.finding(
                sorted(close, key=lambda layer: -found[-1][layer.name]),
                f"{span(close)}: outputs up to {number(top)} (limit {number(limit)}); float16 overflows above 65,504",
                measured=top,
                limit=limit,
                step=steps[-1].index,
                cause="outputs this large become infinite if they double",
                fix='use precision="bf16-mixed", or a normalization before these layers',
            )

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from inithealth.evidence import signal_path
from inithealth.evidence.wording import called, number
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Recording
from inithealth.rules.base import Rule, limit
from inithealth.rules.causality import Stage


class LossNotMoving(Rule):
    """The loss does not fall, and a layer receives hardly any gradient.

    ## What it checks
    After 50 steps: whether the loss has fallen by less than 1% since the first steps, while the gradient of
    a layer is less than 1e-4 of the largest downstream of it, or weights receive no gradient. A loss that
    falls slowly for other reasons is not reported.

    ## Why it matters
    A bad initialization often shows only as a loss that does not fall.

    ## How to fix
    Fix the named layer. See the findings on weights and gradients.

    ## When to ignore
    During a long warm-up with a learning rate near zero.

    ## References
    https://karpathy.github.io/2019/04/25/recipe/
    """

    code = "IH406"
    name = "loss-not-moving"
    severity = Severity.ERROR
    rank = Stage.LOSS_OVER_STEPS
    min_steps: int = limit(
        50,
        "first step at which the loss is checked: before it, the loss of slow tasks has not fallen either",
        unit="optimizer steps",
    )
    min_moved: float = limit(
        0.01,
        "smallest fall of the loss that counts as progress; the noise between batches is as large",
        unit="share of the first loss",
    )
    max_passing: float = limit(
        1e-4,
        "gradient below which a layer counts as without gradient",
        unit="ratio to the largest gradient downstream",
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        losses = [(step.index, step.loss) for step in recording.steps if step.loss is not None and not step.broken]
        if len(losses) < 4 or losses[-1][0] < self.min_steps:
            return
        start = median(loss for _, loss in losses[:3])
        now = min(loss for index, loss in losses[3:])
        if start - now > self.min_moved * abs(start) or start == 0.0:
            return
        without_gradient = self._without_gradient(recording)
        if without_gradient is None:
            return
        layer, why = without_gradient
        yield self.finding(
            [layer],
            f"the loss has not fallen in {losses[-1][0]} steps: it started at {number(start)}, the lowest value is "
            f"{number(now)} (limit {self.min_moved:.0%} less); {why}",
            measured=(start - now) / abs(start),
            limit=self.min_moved,
            step=losses[-1][0],
            cause=f"{called(layer)} receives hardly any gradient and does not train",
            fix=f"fix the layers between {called(layer)} and the loss: see the other findings",
        )

    def _without_gradient(self, recording: Recording) -> tuple[Layer, str] | None:
        """Return a layer that receives hardly any gradient at the last step, and a description; else None."""
        last = recording.model_copy(update={"steps": recording.steps[-1:]})
        fade = signal_path.gradient_fade(last)
        if fade is not None and fade[1] < self.max_passing:
            return fade[0], f"the gradient at {called(fade[0])} is {number(fade[1])}x that at {called(fade[2])}"
        without_gradient = set(recording.probation.asleep) if recording.probation is not None else set()
        for layer in recording.layers:
            if layer.parameter in without_gradient and layer.reaches_loss:
                return layer, f"{called(layer)} has received no gradient"
        return None

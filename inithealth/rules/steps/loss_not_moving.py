from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from inithealth.evidence import signal_path
from inithealth.evidence.wording import called, number
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Recording
from inithealth.rules.base import Rule, limit


class LossNotMoving(Rule):
    """The loss stays where it started, and a layer gets no signal.

    ## What it checks
    After fifty steps: whether the loss is within one percent of the first steps', while the smallest
    gradient on the way back is a ten-thousandth of the largest behind it, or weights get no update.
    A slow task alone is no finding.

    ## Why it matters
    "The model doesn't learn" is what a bad initialization looks like from outside.

    ## How to fix
    Mend the layer that is named; see the findings on weights and gradients.

    ## When to ignore
    While a long warm-up still holds the learning rate near zero.

    ## References
    https://karpathy.github.io/2019/04/25/recipe/
    """

    code = "IH406"
    name = "loss-not-moving"
    severity = Severity.ERROR
    rank = 63
    min_steps: int = limit(
        50,
        "step before which nothing is judged: slow tasks have not moved either",
        unit="optimizer steps",
    )
    min_moved: float = limit(
        0.01,
        "fall of the loss that counts as moving; a batch's own noise is as large",
        unit="share of the first loss",
    )
    max_passing: float = limit(
        1e-4,
        "gradient below which a layer gets no signal",
        unit="smallest gradient over the largest after it",
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        losses = [(step.index, step.loss) for step in recording.steps if step.loss is not None and not step.broken]
        if len(losses) < 4 or losses[-1][0] < self.min_steps:
            return
        start = median(loss for _, loss in losses[:3])
        now = min(loss for index, loss in losses[3:])
        if start - now > self.min_moved * abs(start) or start == 0.0:
            return
        starved = self._starved(recording)
        if starved is None:
            return
        layer, why = starved
        yield self.finding(
            [layer],
            f"the loss has not moved from {number(start)} in {losses[-1][0]} steps (least {number(now)}, "
            f"limit {self.min_moved:.0%} less), and {why}",
            measured=(start - now) / abs(start),
            limit=self.min_moved,
            step=losses[-1][0],
            cause=f"{called(layer)} gets no signal to learn from",
            fix=f"mend what lies between {called(layer)} and the loss: see the findings on it",
        )

    def _starved(self, recording: Recording) -> tuple[Layer, str] | None:
        """A layer that next to no gradient reaches, at the last step."""
        last = recording.model_copy(update={"steps": recording.steps[-1:]})
        fade = signal_path.gradient_fade(last)
        if fade is not None and fade[1] < self.max_passing:
            return fade[0], f"its gradient at {called(fade[0])} is {number(fade[1])} of that at {called(fade[2])}"
        asleep = set(recording.probation.asleep) if recording.probation is not None else set()
        for layer in recording.layers:
            if layer.parameter in asleep and layer.reaches_loss:
                return layer, f"no gradient has reached {called(layer)}"
        return None

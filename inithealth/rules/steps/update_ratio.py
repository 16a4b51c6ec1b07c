from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from inithealth.evidence import drift, fixes
from inithealth.evidence.wording import called, number
from inithealth.findings import Finding, Severity
from inithealth.layer_kinds import MATRICES
from inithealth.recording import Layer, Recording, Step, Update
from inithealth.rules.base import Rule, limit, span


class UpdateRatio(Rule):
    """An optimizer step changes a weight by far too much, or by next to nothing.

    ## What it checks
    rms of the change over rms of the weight (or over the rms that it should have, where it started
    smaller), at two watched steps in a row. Too little is judged against what the optimizer implies:
    Adam's step is about its learning rate whatever the gradient, so a change of a thousandth of that
    says that its epsilon outweighs the gradient.

    ## Why it matters
    A step that replaces a good part of a weight forgets what was learned; one far below the learning
    rate trains nothing, though the loss may still fall through other layers.

    ## How to fix
    Lower the learning rate or warm it up; for tiny gradients mend the layer's scale, or lower epsilon.

    ## When to ignore
    For layers right before a normalization, whose scale means nothing.

    ## References
    https://karpathy.github.io/2019/04/25/recipe/ (1e-3 as a rule of thumb)
    """

    code = "IH402"
    name = "update-ratio"
    severity = Severity.WARNING
    rank = 60
    explains = frozenset("IH203 IH303 IH403 IH404 IH405 IH406".split())
    max_ratio: float = limit(
        0.5,
        "change of a weight in one step; healthy networks come to 0.2 at their highest rate, beyond the limit "
        "a step replaces the weight",
        unit="share of the weight's rms",
    )
    min_share_of_rate: float = limit(
        1e-3,
        "least change, with an adaptive optimizer; sparse gradients come down to 0.01",
        unit="share of the learning rate",
    )
    min_steps: int = limit(
        2,
        "watched steps in a row that show it; a single batch may be an exception",
        unit="watched steps",
        at_least=1,
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        steps = [step for step in recording.steps if step.updates][-self.min_steps :]
        if len(steps) < self.min_steps:
            return
        # Vectors, and the rows of embeddings that are rarely read, move at paces of their own.
        layers = [layer for layer in recording.layers if layer.kind in MATRICES and not layer.normed]
        large = [layer for layer in layers if all(self._large(layer, step) for step in steps)]
        if large:
            yield self._too_large(large, steps[-1])
        late = recording.adaptive and drift.latest(recording) is not None  # at first, zero starts are waking
        small = [layer for layer in layers if late and all(self._small(layer, step) for step in steps)]
        if small:
            yield self._too_small(small, steps[-1])

    def _large(self, layer: Layer, step: Step) -> bool:
        ratio = _ratio(layer, step)
        return ratio is not None and ratio > self.max_ratio

    def _small(self, layer: Layer, step: Step) -> bool:
        update = step.updates.get(layer.name)
        return update is not None and 0.0 < update.change < self.min_share_of_rate * (update.rate or 0.0)

    def _too_large(self, layers: list[Layer], step: Step) -> Finding:
        layers = sorted(layers, key=lambda layer: -(_ratio(layer, step) or 0.0))
        ratio = _ratio(layers[0], step) or 0.0
        return self.finding(
            layers,
            f"{span(layers)}: one step changes the weights by up to {ratio:.0%} of their size "
            f"(limit {self.max_ratio:.0%})",
            measured=ratio,
            limit=self.max_ratio,
            step=step.index,
            cause=f"the learning rate {_rate(step.updates[layers[0].name])}is too high for {called(layers[0])}",
            fix=fixes.LOWER_RATE,
        )

    def _too_small(self, layers: list[Layer], step: Step) -> Finding:
        share = median(step.updates[each.name].change / (step.updates[each.name].rate or 1.0) for each in layers)
        return self.finding(
            layers,
            f"{span(layers)}: one step changes the weights by {number(share)} of the learning rate "
            f"(limit {number(self.min_share_of_rate)})",
            measured=share,
            limit=self.min_share_of_rate,
            step=step.index,
            cause="the gradients are so small that the optimizer's epsilon outweighs them",
            fix="mend what makes the gradients vanish, or give the optimizer a smaller eps",
        )


def _ratio(layer: Layer, step: Step) -> float | None:
    """Change over the weight's size, or over the size that it should have where it started smaller."""
    update = step.updates.get(layer.name)
    if update is None:
        return None
    size = max(update.weight, layer.wants or 0.0)
    return update.change / size if size > 0.0 else None


def _rate(update: Update) -> str:
    return "" if update.rate is None else f"{number(update.rate)} "

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from inithealth.evidence import drift, fixes
from inithealth.evidence.wording import called, number
from inithealth.findings import Finding, Severity
from inithealth.layer_kinds import MATRICES
from inithealth.recording import Layer, Recording, Step, Update
from inithealth.rules.base import Rule, limit, span
from inithealth.rules.causality import Stage


class UpdateRatio(Rule):
    """An optimizer step changes a weight far too much, or hardly at all.

    ## What it checks
    The rms of the change relative to the rms of the weight, at two consecutive recorded steps. If the
    weight started smaller than expected, the expected rms is used. Small changes are only checked with
    optimizers whose steps have a usual size for any gradient: Adam's is the learning rate, Adafactor's and
    LAMB's the learning rate times the rms of the weight, Muon's that of an orthogonal matrix. A change of
    1/1000 of it means that epsilon outweighs the gradient. A run whose loss is nearly gone has small
    gradients because it has succeeded.

    ## Why it matters
    A step that replaces a large part of a weight destroys what the layer has learned. With changes far
    below the learning rate the layer does not train, although the loss may still fall because of other
    layers.

    ## How to fix
    Lower the learning rate or use a warm-up. For tiny gradients, fix the scale of the layer's weights or
    use a smaller epsilon.

    ## When to ignore
    For layers right before a normalization, whose scale does not matter.

    ## References
    https://karpathy.github.io/2019/04/25/recipe/ (1e-3 as a rule of thumb)
    """

    code = "IH402"
    name = "update-ratio"
    severity = Severity.WARNING
    rank = Stage.UPDATES
    explains = frozenset("IH203 IH303 IH403 IH404 IH405 IH406".split())
    max_ratio: float = limit(
        0.5,
        "largest change of a weight in one step: a larger one replaces most of the weight; healthy networks reach 0.2 "
        "at their highest learning rate",
        unit="share of the weight's rms",
    )
    min_share_of_rate: float = limit(
        1e-3,
        "smallest change with an optimizer whose steps have a usual size; with sparse gradients, healthy changes are "
        "as small as 0.01",
        unit="share of the usual size, with Adam the learning rate",
    )
    min_loss_left: float = limit(
        0.05,
        "smallest loss at which small changes are reported: a network that has learned its batch has small gradients",
        unit="share of the first recorded loss",
    )
    min_steps: int = limit(
        2,
        "consecutive recorded steps in which the problem must appear; a single batch can be an exception",
        unit="recorded steps",
        at_least=1,
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        steps = [step for step in recording.steps if step.updates][-self.min_steps :]
        if len(steps) < self.min_steps:
            return
        # Vectors, and rarely used rows of embeddings, have typical changes of their own.
        layers = [layer for layer in recording.layers if layer.kind in MATRICES and not layer.normed]
        large = [layer for layer in layers if all(self._large(layer, step) for step in steps)]
        if large:
            yield self._too_large(large, steps[-1])
        # In the first steps, gradients are small upstream of weights that start at zero.
        late = drift.latest(recording) is not None and not self._solved(recording)
        small = [layer for layer in layers if late and all(self._small(layer, step) for step in steps)]
        if small:
            yield self._too_small(small, steps[-1])

    def _large(self, layer: Layer, step: Step) -> bool:
        ratio = _ratio(layer, step)
        return ratio is not None and ratio > self.max_ratio

    def _small(self, layer: Layer, step: Step) -> bool:
        update = step.updates.get(layer.name)
        return update is not None and 0.0 < update.change < self.min_share_of_rate * (update.usual or 0.0)

    def _solved(self, recording: Recording) -> bool:
        losses = [step.loss for step in recording.steps if step.loss is not None]
        return bool(losses) and 0.0 <= losses[-1] < self.min_loss_left * losses[0]

    def _too_large(self, layers: list[Layer], step: Step) -> Finding:
        layers = sorted(layers, key=lambda layer: -(_ratio(layer, step) or 0.0))
        ratio = _ratio(layers[0], step) or 0.0
        return self.finding(
            layers,
            f"{span(layers)}: one step changes the weights by up to {ratio:.0%} of their rms "
            f"(limit {self.max_ratio:.0%})",
            measured=ratio,
            limit=self.max_ratio,
            step=step.index,
            cause=f"the learning rate {_rate(step.updates[layers[0].name])}is too high for {called(layers[0])}",
            fix=fixes.LOWER_RATE,
        )

    def _too_small(self, layers: list[Layer], step: Step) -> Finding:
        share = median(step.updates[each.name].change / (step.updates[each.name].usual or 1.0) for each in layers)
        return self.finding(
            layers,
            f"{span(layers)}: one step changes the weights by only {number(100 * share)}% of the optimizer's usual "
            f"step (limit {number(100 * self.min_share_of_rate)}%)",
            measured=share,
            limit=self.min_share_of_rate,
            step=step.index,
            cause="the gradients are so small that the optimizer's epsilon outweighs them",
            fix="fix the cause of the small gradients, or use a smaller eps in the optimizer",
        )


def _ratio(layer: Layer, step: Step) -> float | None:
    """Return the change relative to the weight's rms, or to the expected rms if that is larger."""
    update = step.updates.get(layer.name)
    if update is None:
        return None
    size = max(update.weight, layer.wants or 0.0)
    return update.change / size if size > 0.0 else None


def _rate(update: Update) -> str:
    return "" if update.rate is None else f"{number(update.rate)} "

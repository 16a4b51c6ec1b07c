from __future__ import annotations

import math
from collections.abc import Iterator
from typing import ClassVar

from inithealth import remedy
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Probation, Recording, Weight
from inithealth.rules.base import Rule
from inithealth.rules.wording import number, span


class DuplicateNeurons(Rule):
    """Units of a layer are copies of each other, or nearly so.

    ## What it checks
    Units (rows of a matrix, filters of a convolution, with their bias) that equal another one bit for
    bit, and whether they are still alike after four optimizer steps; units that all point the same way.
    Convolution groups are judged apart, since they read different inputs.

    ## Why it matters
    Copies whose outgoing weights are equal too get equal gradients: they never part, and the layer has
    that many units fewer than it shows.

    ## How to fix
    Draw every unit at random; add a little noise where weights were tiled or copied on purpose.

    ## When to ignore
    For layers widened on purpose by copying (Net2Net) that are broken up by noise or dropout.

    ## References
    Chen et al., Net2Net, https://arxiv.org/abs/1511.05641
    """

    code = "IH105"
    name = "duplicate-neurons"
    severity = Severity.WARNING
    rank: ClassVar[int] = 6
    explains: ClassVar[frozenset[str]] = frozenset({"IH305", "IH206"})
    max_lost: float = 0.5  # share of units that are copies: half of the layer is lost, whatever training does
    min_share: float = 0.25  # fewer copies that part by themselves are not worth a warning
    max_cosine: float = 0.9  # between units that are no copies; no healthy net of 97 exceeds it
    min_fan_in: int = 3  # units of one or two inputs point the same way or, in half precision, coincide by chance

    def check(self, recording: Recording) -> Iterator[Finding]:
        for layer in recording.layers:
            if layer.weight is None or not self._judged(layer, layer.weight):
                continue
            if layer.weight.duplicate_rows > 0:
                yield self._copies(layer, layer.weight, recording.probation)
            elif layer.groups == 1 and self._one_way(layer.weight):
                yield self.finding(
                    [layer],
                    f"{span([layer])}: the units point the same way, mean cosine {number(layer.weight.row_cosine)} "
                    f"(limit {number(self.max_cosine)})",
                    measured=layer.weight.row_cosine,
                    limit=self.max_cosine,
                    cause=f"the weights' mean ({number(layer.weight.mean)}) outweighs their spread "
                    f"(std {number(layer.weight.std)})",
                    fix=remedy.each([layer]),
                )

    def _copies(self, layer: Layer, weight: Weight, trial: Probation | None) -> Finding:
        alike = trial.duplicates.get(weight.name, 0.0) if trial is not None else 0.0
        share = max(alike, weight.duplicate_rows)
        still = trial is not None and alike > 0
        becomes = f"are still alike after {trial.steps} steps" if trial is not None and still else "part by themselves"
        severity = Severity.WARNING if still or share >= self.min_share else Severity.INFO
        if trial is None or not trial.settled:
            severity, becomes = Severity.INFO, "may part in the first steps"
        elif alike >= self.max_lost - 1.0 / (weight.fan_out or 1):  # of the units that are one, one is left
            severity = Severity.ERROR
        return self.finding(
            [layer],
            f"{span([layer])}: {share:.0%} of the units repeat another unit and {becomes} (limit {self.max_lost:.0%})",
            severity=severity,
            measured=share,
            limit=self.max_lost,
            cause="copies whose outgoing weights are equal too get equal gradients: they never part"
            if still
            else "weights were copied or tiled",
            fix=remedy.each([layer]),
        )

    def _judged(self, layer: Layer, weight: Weight) -> bool:
        if not weight.trainable or not layer.reaches_loss or layer.head or layer.kind == "embedding":
            return False
        return not weight.constant and not (weight.half_precision and (weight.fan_in or 0) < self.min_fan_in)

    def _one_way(self, weight: Weight) -> bool:
        enough = (weight.fan_in or 0) >= self.min_fan_in
        return enough and weight.row_cosine > max(self.max_cosine, _by_chance(weight))


def _by_chance(weight: Weight) -> float:
    """Four standard deviations of the mean cosine between so many random units of so many inputs."""
    units, inputs = weight.fan_out or 1, weight.fan_in or 1
    return 4 * math.sqrt(2 / max(1, units * (units - 1) * inputs))

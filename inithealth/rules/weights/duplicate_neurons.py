from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from inithealth import remedy
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Recording, Weight
from inithealth.rules.base import Rule, span


class DuplicateNeurons(Rule):
    """Units of a layer are exact copies of each other.

    ## What it checks
    Units (rows of a matrix, filters of a convolution, with their bias) that equal another one bit for
    bit, and whether they are still alike after four optimizer steps. Convolution groups are judged
    apart, since they read different inputs.

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
    min_fan_in: int = 3  # in half precision units of one or two inputs coincide by chance

    def check(self, recording: Recording) -> Iterator[Finding]:
        trial = recording.probation
        for layer in recording.layers:
            if layer.weight is None or not self._judged(layer, layer.weight):
                continue
            units = layer.weight.fan_out or 1
            alike = trial.duplicates.get(layer.weight.name, 0.0) if trial is not None else 0.0
            share = max(alike, layer.weight.duplicate_rows)
            if trial is None or not trial.settled:
                severity, becomes = Severity.INFO, "may part in the first steps"
            elif alike >= self.max_lost - 1.0 / units:  # of the units that are one, one is left
                severity, becomes = Severity.ERROR, f"are still alike after {trial.steps} steps"
            elif alike > 0 or share >= self.min_share:
                severity = Severity.WARNING
                becomes = f"are still alike after {trial.steps} steps" if alike > 0 else "part by themselves"
            else:
                severity, becomes = Severity.INFO, "part by themselves"
            yield self.finding(
                [layer],
                f"{span([layer])}: {share:.0%} of the units repeat another unit and {becomes}",
                severity=severity,
                measured=share,
                limit=self.max_lost,
                cause="copies with equal outgoing weights get equal gradients" if alike > 0 else "copied weights",
                fix=remedy.initialize(layer),
            )

    def _judged(self, layer: Layer, weight: Weight) -> bool:
        if not weight.trainable or not layer.reaches_loss or layer.head or layer.kind == "embedding":
            return False
        if weight.half_precision and (weight.fan_in or 0) < self.min_fan_in:
            return False
        return not weight.constant and weight.duplicate_rows > 0

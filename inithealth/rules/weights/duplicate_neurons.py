from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from inithealth.evidence import fixes
from inithealth.evidence.wording import span
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Probation, Recording, Weight, weighted
from inithealth.rules.base import Rule, limit

_STILL = "are still alike"


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
    explains: ClassVar[frozenset[str]] = frozenset(
        "IH201 IH202 IH204 IH205 IH206 IH207 IH208 IH301 IH302 IH305 IH401 IH406".split()  # copies add up
    )
    max_lost: float = limit(
        0.5,
        "share of units that are still copies after probation: beyond half of them the layer is lost, "
        "whatever training does",
        unit="share of the layer's units",
    )
    min_share: float = limit(
        0.25,
        "share of copies that is worth a warning where they diverge by themselves",
        unit="share of the layer's units",
    )
    min_fan_in: int = limit(
        3,
        "fewest inputs of a layer in half precision: units of one or two inputs coincide by chance",
        unit="inputs",
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        trial = recording.probation
        groups: dict[tuple[Severity, str], list[Layer]] = {}
        for layer, weight in recording.weighted:
            if self._judged(layer, weight):
                groups.setdefault(self._becomes(weight, trial), []).append(layer)
        for (severity, becomes), layers in groups.items():
            still = becomes.startswith(_STILL)
            share = max(_alike(weight, trial) if still else weight.duplicate_rows for _, weight in weighted(layers))
            most = f"up to {share:.0%}" if len(layers) > 1 else f"{share:.0%}"
            yield self.finding(
                layers,
                f"{span(layers)}: {most} of the units repeat another unit and {becomes} (limit {self.max_lost:.0%})",
                severity=severity,
                measured=share,
                limit=self.max_lost,
                cause="copies whose outgoing weights are equal too get equal gradients: they never part"
                if still
                else "weights were copied or tiled",
                fix=fixes.each(layers),
            )

    def _becomes(self, weight: Weight, trial: Probation | None) -> tuple[Severity, str]:
        """How bad the copies of a layer are, and what becomes of them."""
        if trial is None or not trial.settled:
            return Severity.INFO, "may part in the first steps"
        alike = _alike(weight, trial)
        if alike > 0:
            lost = alike >= self.max_lost - 1.0 / (weight.fan_out or 1)  # of the units that are one, one is left
            return Severity.ERROR if lost else Severity.WARNING, f"{_STILL} after {trial.steps} steps"
        many = weight.duplicate_rows >= self.min_share
        return Severity.WARNING if many else Severity.INFO, "part by themselves"

    def _judged(self, layer: Layer, weight: Weight) -> bool:
        if not weight.trainable or not layer.reaches_loss or layer.head or layer.kind == "embedding":
            return False
        if weight.half_precision and (weight.fan_in or 0) < self.min_fan_in:
            return False
        return not weight.constant and weight.duplicate_rows > 0


def _alike(weight: Weight, trial: Probation | None) -> float:
    """Share of the units that are still copies after the steps taken."""
    return 0.0 if trial is None else trial.duplicates.get(weight.name, 0.0)

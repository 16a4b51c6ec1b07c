from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from inithealth import remedy
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Recording
from inithealth.rules.base import Rule, span


class ConstantWeights(Rule):
    """All elements of a weight are the same number.

    ## What it checks
    Trainable weights whose elements are all equal and not zero; whether their units have parted after
    four optimizer steps.

    ## Why it matters
    Units with the same weights compute the same thing. If the layers around them treat them alike too,
    they get the same gradient and stay one unit for ever, however wide the layer.

    ## How to fix
    Draw the weights at random: any standard initialization does.

    ## When to ignore
    For fixed filters (averages, blurs): freeze them.

    ## References
    Goodfellow et al., Deep Learning, section 8.4.
    """

    code = "IH104"
    name = "constant-weights"
    severity = Severity.WARNING
    rank: ClassVar[int] = 5
    explains: ClassVar[frozenset[str]] = frozenset(
        "IH105 IH106 IH201 IH202 IH204 IH205 IH206 IH208 IH301 IH302 IH305".split()
    )
    max_alike: float = 0.5  # share of units still alike after probation: half of the layer is lost

    def check(self, recording: Recording) -> Iterator[Finding]:
        constant = [layer for layer in recording.layers if _judged(layer)]
        if not constant:
            return
        trial = recording.probation
        alike = {} if trial is None else {n: share for n, share in trial.duplicates.items() if share >= self.max_alike}
        stuck = [layer for layer in constant if layer.weight is not None and layer.weight.name in alike]
        settled = trial is not None and trial.settled
        layers = (stuck or constant) if settled else constant
        severity = Severity.INFO if not settled else Severity.ERROR if stuck else Severity.WARNING
        value = layers[0].weight.mean if layers[0].weight else 0.0
        what = "stay one unit: they get the same gradient" if stuck and settled else "start as one unit"
        yield self.finding(
            layers,
            f"{span(layers)}: every weight is {value:.4g}, so the units {what}",
            severity=severity,
            measured=max(alike.values(), default=0.0),
            limit=self.max_alike,
            cause="constant initialization does not break the symmetry between units",
            fix=remedy.each(layers),
        )


def _judged(layer: Layer) -> bool:
    weight = layer.weight
    if weight is None or not weight.constant or not weight.trainable or not layer.reaches_loss:
        return False
    # A head's units are told apart by their targets; a depthwise filter has one unit a group.
    return layer.kind not in ("norm", "scale", "other") and not layer.head and weight.duplicate_rows > 0

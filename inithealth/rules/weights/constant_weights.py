from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from inithealth.evidence import fixes
from inithealth.evidence.wording import number, span
from inithealth.findings import Finding, Severity
from inithealth.layer_kinds import DRAWN
from inithealth.recording import Layer, Probation, Recording, Weight, weighted
from inithealth.rules.base import Rule, limit


class ConstantWeights(Rule):
    """All elements of a weight are the same number.

    ## What it checks
    Trainable weights whose elements are all equal and not zero; where the biases are equal too, whether
    the units have parted after four optimizer steps.

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
        "IH105 IH106 IH108 IH201 IH202 IH204 IH205 IH206 IH207 IH208 IH301 IH302 IH305 IH401 IH406".split()
    )
    max_alike: float = limit(
        0.5,
        "share of units still identical after probation: beyond half of them the layer is lost",
        unit="share of the layer's units",
    )
    min_share_of_whole: float = limit(
        0.8,
        "share of constant layers that makes an error of it: one layer whose biases differ trained in 14 of "
        "16 networks, none of four that were constant throughout",
        unit="share of layers",
    )
    min_layers_of_whole: int = limit(
        3,
        "fewest constant layers for the network to be constant throughout",
        unit="layers",
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        constant = [layer for layer, weight in recording.weighted if weight.constant and _has_units(layer, weight)]
        copies = [layer for layer, weight in weighted(constant) if weight.duplicate_rows > 0]
        shifted = [layer for layer in constant if layer not in copies]
        if shifted and self._is_whole(constant, recording):
            yield self._parted_by_biases(constant, Severity.ERROR)
            return
        if copies:
            yield self._on_probation(copies, recording)
        if shifted:
            yield self._parted_by_biases(shifted, self.severity)

    def _is_whole(self, constant: list[Layer], recording: Recording) -> bool:
        """Whether the network is constant nearly throughout: one direction of the input is all that it sees."""
        with_units = sum(_has_units(*pair) for pair in recording.weighted)
        return len(constant) >= max(self.min_layers_of_whole, self.min_share_of_whole * with_units)

    def _parted_by_biases(self, layers: list[Layer], severity: Severity) -> Finding:
        return self.finding(
            layers,
            f"{span(layers)}: every weight {_values(layers)}, only the biases tell the units apart",
            severity=severity,
            measured=1.0,
            limit=self.max_alike,
            cause="units with equal weights see the same direction of their input",
            fix=fixes.each(layers),
        )

    def _on_probation(self, copies: list[Layer], recording: Recording) -> Finding:
        """Units that are equal in all: whether they part is what the first optimizer steps tell."""
        trial = recording.probation
        stuck = [layer for layer in copies if _alike(layer, trial) >= self.max_alike]
        settled = trial is not None and trial.settled
        layers = stuck if stuck and settled else copies
        share = max(_alike(layer, trial) for layer in layers)
        return self.finding(
            layers,
            f"{span(layers)}: every weight {_values(layers)}, and {self._becomes(trial, share)}",
            severity=Severity.INFO if not settled else Severity.ERROR if stuck else Severity.WARNING,
            measured=share,
            limit=self.max_alike,
            cause="units with equal weights that are treated alike get equal gradients and stay one unit",
            fix=fixes.each([*layers, *(_constant_heads(recording) if stuck else ())]),
        )

    def _becomes(self, trial: Probation | None, share: float) -> str:
        limit = f"limit {self.max_alike:.0%}"
        if trial is None or not trial.settled:
            return f"whether the units part is not settled yet ({limit} of them)"
        when = f"{share:.0%} of the units are alike after {trial.steps} steps ({limit})"
        return when if share >= self.max_alike else f"the units part by themselves: {when}"


def _has_units(layer: Layer, weight: Weight) -> bool:
    """Whether a layer trains units that could be copies of each other."""
    if not weight.trainable or not layer.reaches_loss:
        return False
    # A head's units are told apart by their targets; a depthwise filter has one unit a group.
    return layer.kind in DRAWN and not layer.head and (weight.fan_out or 1) > layer.groups


def _alike(layer: Layer, trial: Probation | None) -> float:
    """Share of the units that are still copies after the steps taken; all of them before any."""
    return 1.0 if trial is None else trial.duplicates.get(layer.parameter, 0.0)


def _values(layers: list[Layer]) -> str:
    """The constant of each layer, the lowest and the highest where they differ."""
    means = [weight.mean for _, weight in weighted(layers)]
    low, high = number(min(means)), number(max(means))
    return f"is {low}" if low == high else f"of a layer is the same ({low} to {high})"


def _constant_heads(recording: Recording) -> list[Layer]:
    """Harmless by themselves, but they would pass no gradient to layers that are mended."""
    return [layer for layer, weight in recording.weighted if layer.head and weight.constant]

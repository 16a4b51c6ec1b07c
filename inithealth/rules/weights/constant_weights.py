from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from inithealth.evidence import fixes
from inithealth.evidence.prognosis import nearly_all
from inithealth.evidence.trial import Trial
from inithealth.evidence.wording import number, span
from inithealth.findings import Finding, Severity
from inithealth.layer_kinds import DRAWN
from inithealth.recording import Layer, Recording, Weight, weighted
from inithealth.rules.base import Rule, limit
from inithealth.rules.causality import Stage


class ConstantWeights(Rule):
    """All elements of a weight are the same number.

    ## What it checks
    Trainable weights whose elements are all equal and not zero. If the biases are equal too, whether the
    units differ after four optimizer steps.

    ## Why it matters
    Units with the same weights compute the same function. If their outgoing weights are equal too, they
    receive the same gradient and stay identical: the layer then acts as a single unit, however wide it is.

    ## How to fix
    Use a random initialization; any standard one works.

    ## When to ignore
    For fixed filters (averages, blurs): freeze them.

    ## References
    Goodfellow et al., Deep Learning, section 8.4.
    """

    code = "IH104"
    name = "constant-weights"
    severity = Severity.WARNING
    rank = Stage.CONSTANT_WEIGHTS
    explains: ClassVar[frozenset[str]] = frozenset(
        "IH105 IH106 IH108 IH201 IH202 IH204 IH205 IH206 IH207 IH208 IH301 IH302 IH305 IH401 IH406".split()
    )
    max_alike: float = limit(
        0.5,
        "share of units still identical after four optimizer steps: beyond half, the layer does not recover",
        unit="share of the layer's units",
    )
    min_share_of_whole: float = limit(
        0.8,
        "smallest share of constant layers for an error: 14 of 16 networks with one constant layer and different "
        "biases trained, but none of four networks with all layers constant",
        unit="share of layers",
    )
    min_layers_of_whole: int = limit(
        3,
        "fewest constant layers for the network to count as constant throughout",
        unit="layers",
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        constant = [layer for layer, weight in recording.weighted if weight.constant and _has_units(layer, weight)]
        copies = [layer for layer, weight in weighted(constant) if weight.duplicate_rows > 0]
        shifted = [layer for layer in constant if layer not in copies]
        if shifted and self._is_whole(constant, recording):
            yield self._different_biases(constant, Severity.ERROR)
            return
        if copies:
            yield self._identical_units(copies, recording)
        if shifted:
            yield self._different_biases(shifted, self.severity)

    def _is_whole(self, constant: list[Layer], recording: Recording) -> bool:
        """Whether nearly all layers are constant, so that the network passes one direction of its input on."""
        with_units = sum(_has_units(*pair) for pair in recording.weighted)
        share, fewest = self.min_share_of_whole, self.min_layers_of_whole
        return nearly_all(len(constant), with_units, share=share, fewest=fewest)

    def _different_biases(self, layers: list[Layer], severity: Severity) -> Finding:
        return self.finding(
            layers,
            f"{span(layers)}: {_values(layers)}; the units differ only in their biases",
            severity=severity,
            measured=1.0,
            limit=self.max_alike,
            cause="units with equal weights respond to the same direction of their input",
            fix=fixes.each(layers),
        )

    def _identical_units(self, copies: list[Layer], recording: Recording) -> Finding:
        """Return the finding on units with equal weights and biases; the first steps show whether they diverge."""
        trial = Trial(recording.probation)
        stuck = [layer for layer in copies if trial.identical_share(layer) >= self.max_alike]
        layers = stuck if stuck and trial.settled else copies
        share = max(map(trial.identical_share, layers))
        return self.finding(
            layers,
            f"{span(layers)}: {_values(layers)}; {self._outcome(trial, share)}",
            severity=trial.severity(Severity.ERROR if stuck else Severity.WARNING),
            measured=share,
            limit=self.max_alike,
            cause="units with equal weights compute the same function until training makes them diverge"
            if trial.settled and not stuck
            else "units with equal weights and equal outgoing weights receive equal gradients and stay identical",
            fix=fixes.each([*layers, *(_constant_heads(recording) if stuck else ())]),
        )

    def _outcome(self, trial: Trial, share: float) -> str:
        limit = f"limit {self.max_alike:.0%}"
        if not trial.settled:
            return f"too few optimizer steps to know whether the units diverge ({limit} identical)"
        identical = f"{share:.0%} of the units are identical after {trial.steps} steps ({limit})"
        return identical if share >= self.max_alike else f"the units diverge in training: {identical}"


def _has_units(layer: Layer, weight: Weight) -> bool:
    """Whether a layer trains units that could be copies of each other."""
    if not weight.trainable or not layer.reaches_loss:
        return False
    # The targets give the units of a head different gradients; a depthwise filter has one unit per group.
    return layer.kind in DRAWN and not layer.head and (weight.fan_out or 1) > layer.groups


def _values(layers: list[Layer]) -> str:
    """Return a clause with the constant of the layers, or its range."""
    means = [weight.mean for _, weight in weighted(layers)]
    low, high = number(min(means)), number(max(means))
    return f"all weights are {low}" if low == high else f"all weights of a layer are equal ({low} to {high})"


def _constant_heads(recording: Recording) -> list[Layer]:
    """Return heads with constant weights: harmless alone, but they pass no gradient to the layers that are fixed."""
    return [layer for layer, weight in recording.weighted if layer.head and weight.constant]

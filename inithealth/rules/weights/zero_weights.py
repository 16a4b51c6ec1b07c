from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from inithealth.evidence import fixes, signal_path
from inithealth.evidence.wording import span, verb
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Probation, Recording, Weight, weighted
from inithealth.rules.base import Rule, limit


class ZeroWeights(Rule):
    """Weights are exactly zero and stay there.

    ## What it checks
    Weights that are all zero, and layers most of whose units are. Zero is a legitimate start (heads,
    LoRA's B, zero gamma, ReZero) when the weight gets a gradient within the first steps; so a zero is
    judged on probation, by the gradients at steps 0 to 4. Units that wake as copies of one another, as
    those of an all-zero sigmoid network do, are as good as one unit.

    ## Why it matters
    A layer that puts out zero and gets no gradient never changes, and hides everything before it.

    ## How to fix
    Initialize the weight as its activation wants; leave at most one factor of a product at zero.

    ## When to ignore
    For masks and pruned weights that are meant to stay zero: freeze them.

    ## References
    He et al. 2015, https://arxiv.org/abs/1502.01852; Zhao et al., ZerO, https://arxiv.org/abs/2110.12661
    """

    code = "IH103"
    name = "zero-weights"
    severity = Severity.ERROR
    rank: ClassVar[int] = 4
    explains: ClassVar[frozenset[str]] = frozenset(
        "IH201 IH204 IH206 IH207 IH301 IH302 IH304 IH305 IH105 IH208 IH401 IH406".split()
    )
    max_zero_units: float = limit(
        0.5,
        "share of units that stay zero, or become copies: beyond half of them the layer is lost, whatever "
        "training does",
        unit="share of the layer's units",
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        trial = recording.probation
        suspects = [layer for layer, weight in recording.weighted if self._suspect(layer, weight)]
        if not suspects:
            return
        stuck = self._stuck(suspects, trial) if trial is not None and trial.settled else []
        blocking = [pair[0] for pair in weighted(suspects) if self._blocks(*pair)] if _sees_nothing(recording) else []
        if stuck and trial is not None:
            yield self._never_changes(stuck, trial)
        elif blocking and (trial is None or trial.settled):
            yield self._lets_nothing_past(blocking, _all_norms_zero(recording))
        elif trial is not None and not trial.settled:
            yield self.finding(
                suspects,
                f"{span(suspects)}: exactly zero, which is right if a gradient changes that within the first steps",
                severity=Severity.INFO,
                limit=self.max_zero_units,
                cause="not settled yet: too few optimizer steps were taken",
            )

    def _stuck(self, suspects: list[Layer], trial: Probation) -> list[Layer]:
        """Those that no gradient wakes, or that woke as one unit."""
        stuck = [
            layer
            for layer in suspects
            if self._asleep(layer, trial) > self.max_zero_units
            or (not layer.head and self._alike(layer, trial) >= self.max_zero_units)
        ]
        first = _first_factors(stuck)  # behind a zero that no skip gets round, zero branches sleep because of it
        return [*first, *(layer for layer in stuck if layer not in first)]

    def _never_changes(self, stuck: list[Layer], trial: Probation) -> Finding:
        asleep = [layer for layer in stuck if self._asleep(layer, trial) > self.max_zero_units]
        share = max(self._asleep(stuck[0], trial), self._alike(stuck[0], trial))
        told = f"weights start at exactly zero, and after {trial.steps} steps {share:.0%} of the units are alike"
        if asleep:
            zero = "weights are" if share == 1.0 else f"{share:.0%} of the units are"
            told = f"{zero} exactly zero and no gradient reaches them in {trial.steps} steps"
        return self.finding(
            stuck,
            f"{span(stuck)}: {told} (limit {self.max_zero_units:.0%} of the units)",
            measured=share,
            limit=self.max_zero_units,
            cause=f"zero output and zero gradient: the {verb(len(asleep), 'layer', 'layers')} can never change"
            if asleep
            else "units that start equal get equal gradients: they stay one unit",
            fix=fixes.each(_first_factors(stuck)),
        )

    def _lets_nothing_past(self, layers: list[Layer], for_good: bool) -> Finding:
        return self.finding(
            layers,
            f"{span(layers)}: weights are exactly zero, and what comes behind sees nothing of the input "
            f"(limit {self.max_zero_units:.0%} of the units)",
            # One layer wakes at the first step; where all norms are at zero, three of four networks did not train.
            severity=Severity.ERROR if for_good else Severity.WARNING,
            measured=1.0,
            limit=self.max_zero_units,
            cause=f"no skip leads around {verb(len(layers), 'it', 'them')}: until the weights wake the loss is a guess",
            fix=fixes.each(layers),
        )

    @staticmethod
    def _blocks(layer: Layer, weight: Weight) -> bool:
        """Whether a layer at zero is in the signal's way; a gate may start at zero, as 1 + 0."""
        return weight.abs_max == 0.0 and not (
            layer.bypassable or layer.head or layer.feeds == "gate" or layer.kind in ("scale", "other")
        )

    def _suspect(self, layer: Layer, weight: Weight) -> bool:
        if not weight.trainable or layer.kind == "other" or layer.exempt_zero_gradient:
            return False
        return layer.reaches_loss and (weight.abs_max == 0.0 or weight.zero_rows > self.max_zero_units)

    @staticmethod
    def _asleep(layer: Layer, trial: Probation) -> float:
        """Share of the layer that is still zero without ever having had a gradient."""
        return 1.0 if layer.parameter in trial.asleep else trial.zero_units.get(layer.parameter, 0.0)

    @staticmethod
    def _alike(layer: Layer, trial: Probation) -> float:
        """Share of the units that woke as copies of another."""
        return trial.duplicates.get(layer.parameter, 0.0)


def _all_norms_zero(recording: Recording) -> bool:
    norms = [weight for layer, weight in recording.weighted if layer.kind == "norm"]
    return len(norms) > 1 and all(weight.abs_max == 0.0 for weight in norms)


def _sees_nothing(recording: Recording) -> bool:
    """Whether what the head reads is the same for every sample, to the last bit."""
    reads = [m.input for layer, m in signal_path.measured(recording) if layer.head and m.input is not None]
    return any(signal.rms == 0.0 or signal.between == 0.0 for signal in reads)


def _first_factors(layers: list[Layer]) -> list[Layer]:
    """What has to be initialized: of a branch at zero the last layer (LoRA's B) may stay so once the first is not."""
    inner = [layer for layer in layers if not layer.bypassable or layer.feeds == "layer"]
    return inner or [layer for layer in layers if not layer.ends_branch] or layers

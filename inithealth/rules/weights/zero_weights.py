from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from inithealth.evidence import fixes, signal_path
from inithealth.evidence.wording import span, verb
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Probation, Recording, Weight, weighted
from inithealth.rules.base import Rule, limit


class ZeroWeights(Rule):
    """Weights are exactly zero and receive no gradient.

    ## What it checks
    Weights that are all zero, and layers in which most units are. Zero is a valid initialization (heads,
    LoRA's B, zero gamma, ReZero) if the weight receives a gradient within the first steps, so the rule
    checks the gradients at steps 0 to 4. It also reports units that start at zero and become identical, as
    in an all-zero sigmoid network: they act as a single unit.

    ## Why it matters
    A layer with zero output and zero gradient never changes, and blocks the signal of all upstream layers.

    ## How to fix
    Initialize the weight with the gain of its activation. If two weights are multiplied, at most one of
    them may be zero.

    ## When to ignore
    For masks and pruned weights that stay zero intentionally: freeze them.

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
        "share of units that stay zero, or become copies: beyond half, the layer does not recover in training",
        unit="share of the layer's units",
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        trial = recording.probation
        suspects = [layer for layer, weight in recording.weighted if self._suspect(layer, weight)]
        if not suspects:
            return
        stuck = self._stuck(suspects, trial) if trial is not None and trial.settled else []
        constant = _head_input_is_constant(recording)
        blocking = [pair[0] for pair in weighted(suspects) if self._blocks(*pair)] if constant else []
        if stuck and trial is not None:
            yield self._never_changes(stuck, trial)
        elif blocking and (trial is None or trial.settled):
            yield self._blocks_signal(blocking, _all_norms_zero(recording))
        elif trial is not None and not trial.settled:
            yield self.finding(
                suspects,
                f"{span(suspects)}: weights are exactly zero, which is healthy if they receive a gradient within the "
                "first steps",
                severity=Severity.INFO,
                limit=self.max_zero_units,
                cause="too few optimizer steps were taken to know whether the weights receive a gradient",
            )

    def _stuck(self, suspects: list[Layer], trial: Probation) -> list[Layer]:
        """Return the layers that receive no gradient, or whose units became identical."""
        stuck = [
            layer
            for layer in suspects
            if self._zero_share(layer, trial) > self.max_zero_units
            or (not layer.head and self._identical_share(layer, trial) >= self.max_zero_units)
        ]
        first = _first_factors(stuck)  # zero branches downstream of a blocking layer are without gradient because of it
        return [*first, *(layer for layer in stuck if layer not in first)]

    def _never_changes(self, stuck: list[Layer], trial: Probation) -> Finding:
        zero = [layer for layer in stuck if self._zero_share(layer, trial) > self.max_zero_units]
        share = max(self._zero_share(stuck[0], trial), self._identical_share(stuck[0], trial))
        what = f"weights start at exactly zero, and {share:.0%} of the units are identical after {trial.steps} steps"
        if zero:
            subject = "weights are" if share == 1.0 else f"{share:.0%} of the units are"
            what = f"{subject} exactly zero and receive no gradient in {trial.steps} steps"
        return self.finding(
            stuck,
            f"{span(stuck)}: {what} (limit {self.max_zero_units:.0%} of the units)",
            measured=share,
            limit=self.max_zero_units,
            cause=f"output and gradient are zero, so the {verb(len(zero), 'layer', 'layers')} can never change"
            if zero
            else "units that start equal receive equal gradients and stay identical",
            fix=fixes.each(_first_factors(stuck)),
        )

    def _blocks_signal(self, layers: list[Layer], permanent: bool) -> Finding:
        return self.finding(
            layers,
            f"{span(layers)}: all-zero weights block the signal: downstream layers do not see the input "
            f"(limit {self.max_zero_units:.0%} of the units)",
            # One zero layer gets a gradient at the first step; with all norms at zero, three of four networks failed.
            severity=Severity.ERROR if permanent else Severity.WARNING,
            measured=1.0,
            limit=self.max_zero_units,
            cause=f"no skip connection bypasses {verb(len(layers), 'it', 'them')}: the output does not depend on the "
            "input until the weights change",
            fix=fixes.each(layers),
        )

    @staticmethod
    def _blocks(layer: Layer, weight: Weight) -> bool:
        """Whether a zero layer blocks the signal; a gate may start at zero, as in 1 + gate."""
        return weight.abs_max == 0.0 and not (
            layer.bypassable or layer.head or layer.feeds == "gate" or layer.kind in ("scale", "other")
        )

    def _suspect(self, layer: Layer, weight: Weight) -> bool:
        if not weight.trainable or layer.kind == "other" or layer.exempt_zero_gradient:
            return False
        return layer.reaches_loss and (weight.abs_max == 0.0 or weight.zero_rows > self.max_zero_units)

    @staticmethod
    def _zero_share(layer: Layer, trial: Probation) -> float:
        """Return the share of the layer that is still zero and has never received a gradient."""
        return 1.0 if layer.parameter in trial.asleep else trial.zero_units.get(layer.parameter, 0.0)

    @staticmethod
    def _identical_share(layer: Layer, trial: Probation) -> float:
        """Return the share of the units that have become copies of another unit."""
        return trial.duplicates.get(layer.parameter, 0.0)


def _all_norms_zero(recording: Recording) -> bool:
    norms = [weight for layer, weight in recording.weighted if layer.kind == "norm"]
    return len(norms) > 1 and all(weight.abs_max == 0.0 for weight in norms)


def _head_input_is_constant(recording: Recording) -> bool:
    """Whether a head's input is bit-identical for all samples."""
    inputs = [m.input for layer, m in signal_path.measured(recording) if layer.head and m.input is not None]
    return any(signal.rms == 0.0 or signal.between == 0.0 for signal in inputs)


def _first_factors(layers: list[Layer]) -> list[Layer]:
    """Return the layers to initialize: in a zero branch the last one (LoRA's B) may stay zero if the first is not."""
    inner = [layer for layer in layers if not layer.bypassable or layer.feeds == "layer"]
    return inner or [layer for layer in layers if not layer.ends_branch] or layers

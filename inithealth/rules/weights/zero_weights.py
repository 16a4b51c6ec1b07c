from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from inithealth.evidence import branch_starts, fixes, singular, zero_inputs
from inithealth.evidence.prognosis import nearly_all, prognosis
from inithealth.evidence.trial import Trial
from inithealth.evidence.wording import span, verb
from inithealth.findings import Finding, Severity
from inithealth.layer_kinds import PROJECTIONS
from inithealth.recording import Layer, Recording, Weight, weighted
from inithealth.rules.base import Rule, limit
from inithealth.rules.causality import Stage

_UNDEFINED = "undefined operation"  # the variant of zeros that make the loss NaN


class ZeroWeights(Rule):
    """Weights are exactly zero and receive no gradient.

    ## What it checks
    Weights that are all zero, and layers in which most units are. Zero is a valid initialization (heads,
    LoRA's B, zero gamma, ReZero) if the weight receives a gradient within the first steps, so the rule
    checks the gradients at steps 0 to 4. It also reports units that start at zero and become identical, as
    in an all-zero sigmoid network: they act as a single unit; normalizations with a weight of zero at the
    start of a residual branch, which may end at zero, but not start so; zero outputs that a network
    divides by, or takes the logarithm of; and tables at zero, such as feature grids, that are the only
    input of a layer.

    ## Why it matters
    A layer with zero output and zero gradient never changes, and blocks the signal of all upstream layers.
    A branch that reads the same values at every position cannot learn where to attend.

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
    rank = Stage.ZERO_WEIGHTS
    variant_ranks: ClassVar[Mapping[str, int]] = {_UNDEFINED: Stage.ZEROS_THAT_MAKE_NAN}
    explains: ClassVar[frozenset[str]] = frozenset(
        "IH201 IH204 IH206 IH207 IH301 IH302 IH304 IH305 IH105 IH208 IH401 IH402 IH406 IH408".split()
    )
    max_zero_units: float = limit(
        0.5,
        "share of units that stay zero, or become copies: beyond half, the layer does not recover in training",
        unit="share of the layer's units",
    )
    min_share_of_whole: float = limit(
        0.8, "smallest share of layers at zero for none of them to be zero intentionally", unit="share of layers"
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        undefined = _divided(recording)
        if undefined:
            yield self._makes_nan(undefined, recording)
            return
        suspects = [layer for layer, weight in recording.weighted if self._suspect(layer, weight)]
        tables = zero_inputs.zero_tables(recording)
        if tables:
            yield self._never_changes(tables, Trial(recording.probation), recording)
            return  # zeros downstream stay zero because of them
        if not suspects:
            return
        outlook = prognosis(recording)
        trial, lost = outlook.trial, outlook.input_is_lost
        stuck = self._stuck(suspects, trial) if trial.settled else []
        blocking = [pair[0] for pair in weighted(suspects) if self._blocks(*pair)] if lost and not stuck else []
        starts = [layer for layer in branch_starts.constant(recording) if layer not in [*stuck, *blocking]]
        if stuck:
            yield self._never_changes(stuck, trial, recording)
        if blocking:  # even if it receives a gradient later, the first steps do not see the input
            harm = outlook.all_norms_zero or branch_starts.stops_attention(recording, starts)
            yield self._blocks_signal([*starts, *blocking], harm)
        elif starts and not trial.running:
            yield self._starts_branches(starts, recording)
        elif trial.running:
            yield self.finding(
                suspects,
                f"{span(suspects)}: weights are exactly zero, which is healthy if they receive a gradient within the "
                "first steps",
                severity=Severity.INFO,
                limit=self.max_zero_units,
                cause="too few optimizer steps were taken to know whether the weights receive a gradient",
            )

    def _stuck(self, suspects: list[Layer], trial: Trial) -> list[Layer]:
        """Return the layers that receive no gradient, or whose units became identical."""
        stuck = [
            layer
            for layer in suspects
            if trial.zero_share(layer) > self.max_zero_units
            or (not layer.head and trial.identical_share(layer) >= self.max_zero_units)
        ]
        first = _first_factors(stuck)  # zero branches downstream of a blocking layer are without gradient because of it
        return [*first, *(layer for layer in stuck if layer not in first)]

    def _never_changes(self, stuck: list[Layer], trial: Trial, recording: Recording) -> Finding:
        zero = [layer for layer in stuck if trial.zero_share(layer) > self.max_zero_units]
        share = max(trial.zero_share(stuck[0]), trial.identical_share(stuck[0]))
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
            fix=zero_inputs.fix(stuck) if stuck[0].kind == "other" else self._initialized(stuck, recording),
        )

    def _initialized(self, stuck: list[Layer], recording: Recording) -> fixes.Fix:
        """Return the fix: all layers if nearly all are zero, as none of them is zero intentionally then."""
        drawn = [layer for layer in recording.layers if layer.kind in PROJECTIONS]
        zero = [layer for layer, weight in weighted(drawn) if weight.abs_max == 0.0 and weight.trainable]
        if not nearly_all(len(zero), len(drawn), share=self.min_share_of_whole, fewest=1):
            return fixes.each(_first_factors(stuck))
        return fixes.with_branches([*stuck, *(layer for layer in zero if layer not in stuck)], recording.branches)

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

    def _starts_branches(self, layers: list[Layer], recording: Recording) -> Finding:
        # Without attention, three such networks trained as well as their healthy twins or somewhat slower.
        severity = Severity.WARNING if branch_starts.without_twin(recording, layers) else Severity.INFO
        return self.finding(
            layers,
            f"{span(layers)}: the weight of a normalization at the start of a residual branch is exactly zero: the "
            "branch reads the same values at every position",
            severity=Severity.ERROR if branch_starts.stops_attention(recording, layers) else severity,
            measured=1.0,
            limit=self.max_zero_units,
            cause="a branch may end at zero, but not start so: its output is the bias, whatever the input is",
            fix=fixes.each(layers),
        )

    def _makes_nan(self, layers: list[Layer], recording: Recording) -> Finding:
        return self.finding(
            layers,
            f"{span(layers)}: weights are exactly zero, and the output enters {singular.operation(recording)}: the "
            f"loss or its gradient is NaN (limit {self.max_zero_units:.0%} of the units)",
            measured=1.0,
            limit=self.max_zero_units,
            variant=_UNDEFINED,
            cause="a division, root or logarithm is undefined for a zero output",
            fix=fixes.each(layers),
        )

    def accounts_for(self, cause: Finding, symptom: Finding) -> bool:
        """Whether another finding follows; NaN values do, of an operation that is undefined for a zero output."""
        if cause.variant == _UNDEFINED and symptom.code in ("IH203", "IH303", "IH405"):
            return True
        if symptom.code == "IH404":  # the first outputs of a layer that starts at zero depend on its bias alone
            return set(symptom.layers) <= set(cause.layers)
        return super().accounts_for(cause, symptom)

    @staticmethod
    def _blocks(layer: Layer, weight: Weight) -> bool:
        """Whether a zero layer blocks the signal; a gate may start at zero, as in 1 + gate."""
        return weight.abs_max == 0.0 and not (
            layer.bypassable or not layer.inner or layer.feeds == "gate" or layer.kind in ("scale", "other")
        )

    def _suspect(self, layer: Layer, weight: Weight) -> bool:
        if not weight.trainable or layer.kind == "other" or layer.exempt_zero_gradient:
            return False
        return layer.reaches_loss and (weight.abs_max == 0.0 or weight.zero_rows > self.max_zero_units)


def _divided(recording: Recording) -> list[Layer]:
    """Return the layers at zero whose output enters the operation that produces the first NaN."""
    return [layer for layer, weight in weighted(singular.sources(recording)) if weight.abs_max == 0.0]


def _first_factors(layers: list[Layer]) -> list[Layer]:
    """Return the layers to initialize: in a zero branch the last one (LoRA's B) may stay zero if the first is not."""
    inner = [layer for layer in layers if not layer.bypassable or layer.feeds == "layer"]
    return inner or [layer for layer in layers if not layer.ends_branch] or layers

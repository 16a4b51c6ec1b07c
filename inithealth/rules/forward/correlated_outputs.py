from __future__ import annotations

import math
from collections.abc import Iterator

from inithealth.evidence import fixes, signal_path
from inithealth.evidence.fix_text import Fix
from inithealth.evidence.losses import predicts_well
from inithealth.evidence.prognosis import nearly_all, prognosis
from inithealth.evidence.trained import trained_layers
from inithealth.evidence.units import dead_or_saturated
from inithealth.evidence.wording import number, span
from inithealth.findings import Finding, Severity
from inithealth.layer_kinds import PROJECTIONS
from inithealth.recording import Layer, Recording, Weight, weighted
from inithealth.rules.base import limit
from inithealth.rules.bias import BIAS, BiasAware, bias_cause
from inithealth.rules.causality import Stage
from inithealth.theory.activation_table import BY_NAME

# Rates, variances and gates: their bias sets the initial value, as with a state-space model's time steps.
_SET_BY_BIAS = frozenset(name for name, row in BY_NAME.items() if row.set_by_bias)
# The bias of a periodic activation is a phase, and all phases are equally good.
_PERIODIC = frozenset(name for name, row in BY_NAME.items() if row.periodic)

_DRAWN = PROJECTIONS | {"rnn"}
_LARGE_MEAN = 0.5  # of the rms: a network whose other layers have such a mean was initialized with it
_ENOUGH_WEIGHTS = 32  # the mean of fewer random weights may be large by chance


class CorrelatedOutputs(BiasAware):
    """All units of a layer compute nearly the same function.

    ## What it checks
    The mean cosine similarity between the weight vectors of the units, and biases that outweigh the
    weights' contribution.

    ## Why it matters
    Units with nearly parallel weights pass on one direction of their input, however wide the layer is. If
    the bias dominates, the output hardly depends on the input at all.

    ## How to fix
    Initialize the weights with mean zero, and the biases at zero.

    ## When to ignore
    If downstream layers are expected to make the units diverge.

    ## References
    Saxe et al., Exact solutions to the nonlinear dynamics of learning, https://arxiv.org/abs/1312.6120
    """

    code = "IH206"
    name = "correlated-outputs"
    severity = Severity.WARNING
    rank = Stage.PARALLEL_UNITS
    explains = frozenset(
        "IH103 IH108 IH201 IH202 IH203 IH204 IH205 IH207 IH208 IH209 IH301 IH302 IH304 IH305 IH404 IH406".split()
    )
    max_cosine: float = limit(
        0.6,
        "largest mean cosine between the units' weights: 0 for random units, 0.75 for weights from U(0, 1), at most "
        "0.09 in 14 healthy networks",
        unit="cosine",
    )
    max_bias_of_whole: float = limit(
        0.5,
        "largest rms of the biases if nearly all of them are one constant; in practice the constant is usually 1",
        unit="rms",
    )
    min_share_of_whole: float = limit(
        0.8,
        "smallest share of affected layers for the whole network to count as affected: none of 12 such networks with "
        "nearly parallel units trained",
        unit="share of layers",
    )
    min_layers_of_whole: int = limit(
        3,
        "fewest affected layers for the whole network to count as affected",
        unit="layers",
    )
    max_output_of_whole: float = limit(
        15.0,
        "largest output of a network with nearly parallel units in all layers, beyond which it is an error: 33 of 37 "
        "such networks failed or trained slowly; the other four were within this limit and min_passing_of_whole",
        unit="rms, relative to the input",
    )
    min_passing_of_whole: float = limit(
        0.25,
        "smallest gradient at the first layers of such a network, below which it is an error",
        unit="ratio to the last layers' gradient",
    )
    min_units: int = limit(
        4,
        "fewest units of a layer that is checked: fewer units are nearly parallel by chance",
        unit="units",
    )
    min_constancy: float = limit(
        0.95, "smallest mean over rms of a bias for it to count as one constant for all units", unit="ratio"
    )
    min_copies_cosine: float = limit(
        0.99,
        "mean cosine beyond which the reported cause is copied units, not weights with a non-zero mean",
        unit="cosine",
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        everything = [pair for pair in signal_path.measured(recording) if pair[0].inner and pair[0].reaches_loss]
        dominated = [
            layer
            for layer, m in everything
            if layer.activation not in _SET_BY_BIAS | _PERIODIC
            and self.bias_dominates(layer, m)
            and not dead_or_saturated(recording, layer, m)
        ]
        shifted = self._shifted([layer for layer, _ in everything if layer.activation not in _SET_BY_BIAS | _PERIODIC])
        if dominated or shifted:
            yield self._dominated(dominated or shifted, recording)
        trained = trained_layers(recording)
        pairs = weighted(layer for layer, _ in everything)
        parallel = [layer for layer, weight in pairs if layer.name not in trained and self._parallel(layer, weight)]
        if parallel and not predicts_well(recording):  # otherwise training made them so
            checked = sum(self._is_checked(layer, weight) for layer, weight in pairs)
            lost = self._whole(len(parallel), checked) and prognosis(recording).loses_signal(
                max_output=self.max_output_of_whole, min_passing=self.min_passing_of_whole
            )
            others = [pair for pair in recording.weighted if lost and pair[0] not in parallel]
            rest = [layer for layer, weight in others if layer.name not in trained and _has_mean(layer, weight)]
            yield self._parallel_units(parallel, lost, fix=fixes.with_own_scale([*parallel, *rest]))

    def _whole(self, affected: int, checked: int) -> bool:
        """Whether nearly all checked layers are affected."""
        share, fewest = self.min_share_of_whole, self.min_layers_of_whole
        return nearly_all(affected, checked, share=share, fewest=fewest)

    def _shifted(self, layers: list[Layer]) -> list[Layer]:
        """Return the layers with a constant bias if they are nearly all layers without a normalization; else none."""
        # Zero weights show that the bias is a deliberate start.
        drawn = [layer for layer, weight in weighted(layers) if weight.abs_max > 0.0]
        biased = [(layer, layer.bias) for layer in drawn if layer.bias is not None and not layer.normed]
        shifted = [layer for layer, bias in biased if self._constant(bias)]
        return shifted if self._whole(len(shifted), len(biased)) else []

    def _constant(self, bias: Weight) -> bool:
        return bias.rms > self.max_bias_of_whole and abs(bias.mean) > self.min_constancy * bias.rms

    def _dominated(self, layers: list[Layer], recording: Recording) -> Finding:
        rms = layers[0].bias.rms if layers[0].bias else 0.0
        limit = self.max_bias_rms if rms > self.max_bias_rms else self.max_bias_of_whole
        severity = prognosis(recording).severity_of_blocking(layer for layer in layers if layer.activation is not None)
        if rms <= self.max_bias_rms:
            lost = rms > self.bias_dominance * max(layer.gain or 1.0 for layer in layers)
            severity = Severity.ERROR if lost else Severity.WARNING
        return self.finding(
            layers,
            f"{span(layers)}: biases of rms {number(rms)} (limit {number(limit)}) dominate the output",
            severity=severity,
            measured=rms,
            limit=limit,
            variant=BIAS,
            cause=bias_cause(layers),
            fix=fixes.zero_biases(layers),
        )

    def _parallel_units(self, layers: list[Layer], lost: bool, fix: Fix) -> Finding:
        cosine = layers[0].weight.row_cosine if layers[0].weight else 0.0
        return self.finding(
            layers,
            f"{span(layers)}: the units' weights have a mean cosine of {number(cosine)} "
            f"(limit {number(self.max_cosine)})",
            severity=Severity.ERROR if lost else self.severity,
            measured=cosine,
            limit=self.max_cosine,
            cause="the units are nearly identical except for their biases"
            if cosine > self.min_copies_cosine
            else "the mean of the weights is not zero",
            fix=fix,
        )

    def accounts_for(self, cause: Finding, symptom: Finding) -> bool:
        """Whether another finding follows; weights whose mean is not zero have a wrong scale too."""
        if symptom.code == "IH106":
            return set(symptom.layers) <= set(cause.layers)
        return super().accounts_for(cause, symptom)

    def _is_checked(self, layer: Layer, weight: Weight) -> bool:
        """Whether a layer has enough units and inputs for parallel units to mean something."""
        if not weight.trainable or layer.kind not in _DRAWN:
            return False
        wide = (weight.fan_in or 0) > 2 and (weight.fan_out or 0) >= self.min_units
        return wide and _by_chance(weight) < 1.0

    def _parallel(self, layer: Layer, weight: Weight) -> bool:
        if weight.constant or weight.duplicate_rows > 0.0:  # other rules report exact copies
            return False
        return self._is_checked(layer, weight) and weight.row_cosine > max(self.max_cosine, _by_chance(weight))


def _has_mean(layer: Layer, weight: Weight) -> bool:
    """Whether the mean of a weight is most of its size, as in the other layers: also in heads and narrow layers."""
    drawn = layer.kind in _DRAWN and weight.trainable and not weight.constant
    return drawn and abs(weight.mean) > _LARGE_MEAN * weight.rms and math.prod(weight.shape) >= _ENOUGH_WEIGHTS


def _by_chance(weight: Weight) -> float:
    """Return five standard deviations of the mean cosine between random units of this shape."""
    units = weight.fan_out or 2
    return 5.0 * math.sqrt(2.0 / (max(units, 2) * (max(units, 2) - 1) * (weight.fan_in or 1)))

from __future__ import annotations

import math
from collections.abc import Iterator

from inithealth.evidence import fixes, signal_path
from inithealth.evidence.trained import trained_layers
from inithealth.evidence.units import dead_or_saturated
from inithealth.evidence.wording import number, span
from inithealth.findings import Finding, Severity
from inithealth.layer_kinds import PROJECTIONS
from inithealth.recording import Layer, Recording, Weight, weighted
from inithealth.rules.base import limit
from inithealth.rules.bias import BiasAware, bias_cause
from inithealth.theory.activation_table import BY_NAME

# Rates, variances and gates: their bias is where they start, as in a state-space model's time steps.
_SET_BY_BIAS = frozenset(name for name, row in BY_NAME.items() if row.set_by_bias)
_PERIODIC = frozenset(
    name for name, row in BY_NAME.items() if row.periodic
)  # a bias is where on the wave a unit starts: no place is worse

_DRAWN = PROJECTIONS | {"rnn"}


class CorrelatedOutputs(BiasAware):
    """The units of a layer all say the same.

    ## What it checks
    The mean cosine between the units' weights, and biases that outweigh what the weights contribute.

    ## Why it matters
    Units that point the same way pass on one direction of their input, whatever the width; a ruling
    bias passes on none.

    ## How to fix
    Draw the weights around zero, and start biases at zero.

    ## When to ignore
    When the layers behind are meant to part the units.

    ## References
    Saxe et al., Exact solutions to the nonlinear dynamics of learning, https://arxiv.org/abs/1312.6120
    """

    code = "IH206"
    name = "correlated-outputs"
    severity = Severity.WARNING
    rank = 7
    explains = frozenset(
        "IH103 IH108 IH201 IH202 IH203 IH204 IH205 IH207 IH208 IH209 IH301 IH302 IH304 IH305 IH404 IH406".split()
    )
    max_cosine: float = limit(
        0.6,
        "mean cosine between the units' weights: random units have 0, units drawn from U(0, 1) have 0.75, "
        "healthy networks 0.09 at most (of 14)",
        unit="cosine",
    )
    max_bias_of_whole: float = limit(
        0.5,
        "largest rms where nearly all biases are one constant; the constant that some write for all of them is 1",
        unit="rms",
    )
    min_share_of_whole: float = limit(
        0.8,
        "share of layers that makes it the whole network: where nearly all units point one way none of 12 "
        "networks trained",
        unit="share of layers",
    )
    min_layers_of_whole: int = limit(
        3,
        "fewest layers for the whole network to be affected",
        unit="layers",
    )
    max_output_of_whole: float = limit(
        15.0,
        "largest output of a network whose units point one way throughout: of 37 such networks all failed or "
        "slowed but four, within this limit and min_passing_of_whole",
        unit="rms, relative to the input",
    )
    min_passing_of_whole: float = limit(
        0.25,
        "least gradient at the first layers of such a network",
        unit="ratio to the last layers' gradient",
    )
    min_units: int = limit(
        4,
        "fewest units of a layer that is judged: fewer point one way by chance",
        unit="units",
    )
    min_constancy: float = limit(
        0.95, "mean over rms of a bias beyond which it is one constant for all units", unit="ratio"
    )
    min_copies_cosine: float = limit(
        0.99,
        "mean cosine beyond which the cause is copied units, rather than a draw that is not around zero",
        unit="cosine",
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        everything = [pair for pair in signal_path.measured(recording) if not pair[0].head and pair[0].reaches_loss]
        ruled = [
            layer
            for layer, m in everything
            if layer.activation not in _SET_BY_BIAS | _PERIODIC
            and self.bias_dominates(layer, m)
            and not dead_or_saturated(recording, layer, m)
        ]
        shifted = self._shifted([layer for layer, _ in everything if layer.activation not in _SET_BY_BIAS | _PERIODIC])
        if ruled or shifted:
            yield self._ruled(ruled or shifted)
        trained = trained_layers(recording)
        pairs = weighted(layer for layer, _ in everything)
        alike = [layer for layer, weight in pairs if layer.name not in trained and self._alike(layer, weight)]
        if alike:
            drawn = sum(self._tells(layer, weight) for layer, weight in pairs)
            whole = len(alike) >= max(self.min_layers_of_whole, self.min_share_of_whole * drawn)
            yield self._pointing_alike(alike, whole and self._suffers(recording))

    def _shifted(self, layers: list[Layer]) -> list[Layer]:
        """The layers of a network nearly all of whose biases are one constant, where no norm takes them away."""
        # Weights at zero show that the bias is meant to be the start.
        drawn = [layer for layer, weight in weighted(layers) if weight.abs_max > 0.0]
        biased = [(layer, layer.bias) for layer in drawn if layer.bias is not None and not layer.normed]
        shifted = [layer for layer, bias in biased if self._constant(bias)]
        enough = len(shifted) >= max(self.min_layers_of_whole, self.min_share_of_whole * len(biased))
        return shifted if enough else []

    def _constant(self, bias: Weight) -> bool:
        return bias.rms > self.max_bias_of_whole and abs(bias.mean) > self.min_constancy * bias.rms

    def _ruled(self, layers: list[Layer]) -> Finding:
        rms = layers[0].bias.rms if layers[0].bias else 0.0
        limit = self.max_bias_rms if rms > self.max_bias_rms else self.max_bias_of_whole
        lost = any(layer.activation is not None and not layer.bypassable for layer in layers)
        if rms <= self.max_bias_rms:
            lost = rms > self.bias_dominance * max(layer.gain or 1.0 for layer in layers)
        return self.finding(
            layers,
            f"{span(layers)}: biases of rms {number(rms)} (limit {number(limit)}) decide the output",
            severity=Severity.ERROR if lost else Severity.WARNING,
            measured=rms,
            limit=limit,
            cause=bias_cause(layers),
            fix=fixes.zero_biases(layers),
        )

    def _suffers(self, recording: Recording) -> bool:
        """Whether a network drawn to one side has lost its signal: norms and skips may keep it."""
        highest, fade = signal_path.largest_output(recording), signal_path.gradient_fade(recording)
        if highest is None or fade is None:
            return True
        return highest[1] > self.max_output_of_whole or fade[1] < self.min_passing_of_whole

    def _pointing_alike(self, layers: list[Layer], whole: bool) -> Finding:
        cosine = layers[0].weight.row_cosine if layers[0].weight else 0.0
        return self.finding(
            layers,
            f"{span(layers)}: the units' weights have a mean cosine of {number(cosine)} "
            f"(limit {number(self.max_cosine)})",
            severity=Severity.ERROR if whole else self.severity,
            measured=cosine,
            limit=self.max_cosine,
            cause="the units are all but copies of one, biases apart"
            if cosine > self.min_copies_cosine
            else "the weights are not drawn around zero",
            fix=fixes.each(layers),
        )

    def accounts_for(self, cause: Finding, symptom: Finding) -> bool:
        """Units that are not drawn around zero are off in scale too."""
        if symptom.code == "IH106":
            return set(symptom.layers) <= set(cause.layers)
        return super().accounts_for(cause, symptom)

    def _tells(self, layer: Layer, weight: Weight) -> bool:
        """Whether a layer's units could be seen to point one way: one input has one direction only."""
        if not weight.trainable or layer.kind not in _DRAWN:
            return False
        wide = (weight.fan_in or 0) > 2 and (weight.fan_out or 0) >= self.min_units
        return wide and _by_chance(weight) < 1.0

    def _alike(self, layer: Layer, weight: Weight) -> bool:
        if weight.constant or weight.duplicate_rows > 0.0:  # exact copies are told as such
            return False
        return self._tells(layer, weight) and weight.row_cosine > max(self.max_cosine, _by_chance(weight))


def _by_chance(weight: Weight) -> float:
    """Five standard deviations of the mean cosine of that many random units with that many inputs."""
    units = weight.fan_out or 2
    return 5.0 * math.sqrt(2.0 / (max(units, 2) * (max(units, 2) - 1) * (weight.fan_in or 1)))

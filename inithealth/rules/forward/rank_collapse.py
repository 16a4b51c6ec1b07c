from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

from inithealth.evidence import few_samples, fixes, signal_path
from inithealth.evidence.wording import called, number, span
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Measurement, Recording, Weight, weighted
from inithealth.rules.base import Rule, limit
from inithealth.theory.activation_table import BY_NAME

Pair = tuple[Layer, Measurement]

# With orthogonal weights these pass all directions on: 31 of 32 after 70 layers. Behind 70 ReLUs one is left.
_NEARLY_LINEAR = frozenset({None, *(name for name, row in BY_NAME.items() if row.linear_at_zero)})


_SHORTER_WAY = "add a normalization (nn.BatchNorm1d) or a skip every few layers: weights alone do not mend it"


class RankCollapse(Rule):
    """The outputs of a layer lie on one line, whatever the inputs.

    ## What it checks
    In how many directions the outputs of the batch differ (participation ratio of their covariance):
    where a layer's weights have one direction only, and where a signal that came in many directions has
    one left over many layers up to the head. Designed bottlenecks, inputs of one dimension and outputs
    that do not differ at all are left out.

    ## Why it matters
    Samples on one line differ in one number: the layers behind see a single neuron, and gradients
    reach the weights before it through that one direction.

    ## How to fix
    Draw the weights anew; where depth is the cause, normalize, add skips, or use orthogonal weights.

    ## When to ignore
    For weights that are meant to be of rank one.

    ## References
    Daneshmand et al. 2020, https://arxiv.org/abs/2003.01652; Dong et al. 2021,
    https://arxiv.org/abs/2103.03404
    """

    code = "IH207"
    name = "rank-collapse"
    severity = Severity.WARNING
    rank = 48
    max_directions: float = limit(
        1.1,
        "directions in which outputs on one line differ; of 90 published networks the narrowest layer has "
        "1.1, all others 1.7 or more",
        unit="directions (participation ratio)",
    )
    min_layers: int = limit(
        25,
        "fewest layers on one line, one after another: SGD failed in 12 of 13 such networks, in 9 of 29 others",
        unit="layers",
    )
    min_before: float = limit(
        4.0,
        "least directions of the signal before it fades: fewer may be the data's own",
        unit="directions (participation ratio)",
    )
    max_fall: float = limit(
        4.0,
        "fall of the directions from layer to layer, where depth is the cause: a larger one is another signal",
        unit="ratio",
    )
    min_width: int = limit(
        8,
        "fewest units and inputs of a layer that is judged: fewer are a bottleneck by design",
        unit="units or inputs",
    )
    min_share: float = limit(
        0.9,
        "least share of a weight's square that is in one direction, for the weights to be the cause",
        unit="share of the sum of squares",
    )
    max_directions_of_head: float = limit(
        1.2,
        "directions in which a head's outputs differ, where depth is the cause: with more, another way has reached it",
        unit="directions (participation ratio)",
    )

    def skipped(self, recording: Recording) -> str | None:
        few = few_samples.too_few(recording)
        if not few or any(m.width >= self.min_width - 1 for _, m in signal_path.measured(recording)):
            return None
        return (
            f"no layer's outputs have {few_samples.ENOUGH} rows: pass a batch of {few_samples.ENOUGH} samples or more"
        )

    def check(self, recording: Recording) -> Iterator[Finding]:
        line = [pair for pair in signal_path.measured(recording) if self._on_a_line(*pair)]
        flat = [pair for pair in line if self._one_direction(pair[0].weight)]
        if flat:
            yield self._by_weights(flat)
        faded = [] if flat else self._faded(recording)
        if faded:
            yield self._by_depth(faded, recording.adaptive)

    def _on_a_line(self, layer: Layer, m: Measurement) -> bool:
        if m.effective is None or layer.head or not layer.reaches_loss or layer.kind == "embedding":
            return False
        # 0 are outputs that do not differ: zeros to wake up, or a signal that has vanished.
        return 0.0 < m.effective < self.max_directions and m.width >= self.min_width - 1

    def _one_direction(self, weight: Weight | None) -> bool:
        """Whether (nearly) all of a weight is one outer product."""
        if weight is None or min(weight.fan_in or 0, weight.fan_out or 0) < self.min_width:
            return False
        if weight.constant or abs(weight.row_cosine) > self.min_share:
            return True
        units = weight.fan_out or 1
        if weight.duplicate_rows >= 1.0 - 1.5 / units:
            return True
        inputs = weight.fan_in or 1
        most = math.sqrt(units * inputs) / (math.sqrt(units) + math.sqrt(inputs))  # the spectral edge at rank one
        return weight.spectral_edge is not None and weight.spectral_edge**2 > self.min_share * most**2

    def _faded(self, recording: Recording) -> list[Pair]:
        """The layers over which the directions of a signal fade to one, step by step up to the head."""
        way = [pair for pair in signal_path.trunk(recording) if self._counts(*pair)]
        wide = [place for place, pair in enumerate(way) if not self._on_a_line(*pair)]
        if not wide or len(way) - 1 - wide[-1] < self.min_layers or self._head_sees_more(recording):
            return []
        start = max(range(len(way)), key=lambda place: _directions(way[place]))
        steps = [(_directions(one), _directions(other)) for one, other in pairwise(way[start:])]
        gradual = all(after > 0 and before <= self.max_fall * after for before, after in steps)
        return way[start:] if gradual and _directions(way[start]) >= self.min_before else []

    def _counts(self, layer: Layer, m: Measurement) -> bool:
        wide = min(m.width + 1, (layer.weight.fan_in or 0) if layer.weight else 0) >= self.min_width
        return m.effective is not None and not layer.head and layer.reaches_loss and wide

    def _head_sees_more(self, recording: Recording) -> bool:
        """Whether a head's outputs differ in several directions: other ways have reached it."""
        return any(
            layer.head and m.effective is not None and m.effective > self.max_directions_of_head
            for layer, m in signal_path.measured(recording)
        )

    def _by_weights(self, flat: list[Pair]) -> Finding:
        layers = [layer for layer, _ in flat]
        return self.finding(
            layers,
            f"{span(layers)}: {self._told(flat[0])}",
            measured=flat[0][1].effective,
            limit=self.max_directions,
            cause=f"the weights of {called(layers[0])} have (nearly) one direction",
            fix=fixes.each(layers),
        )

    def _by_depth(self, faded: list[Pair], adaptive: bool) -> Finding:
        layers = [layer for layer, _ in faded]
        most = number(_directions(faded[0]))
        linear = all(layer.activation in _NEARLY_LINEAR for layer in layers)
        return self.finding(
            list(reversed(layers)),
            # Adam got 8 of 13 such nets to train.
            severity=Severity.INFO if adaptive else self.severity,
            message=f"{called(layers[-1])}: {self._told(faded[-1])}; {called(layers[0])} has {most}",
            measured=faded[-1][1].effective,
            limit=self.max_directions,
            cause=f"{len(layers)} layers without a skip multiply: each favours the directions that are large already",
            fix=_orthogonal(layers) if linear else _SHORTER_WAY,
        )

    def _told(self, pair: Pair) -> str:
        return (
            f"the outputs differ in {number(_directions(pair))} of {pair[1].width} directions "
            f"(limit {number(self.max_directions)})"
        )


def _directions(pair: Pair) -> float:
    return pair[1].effective or 0.0


def _orthogonal(layers: list[Layer]) -> str:
    return "\n".join(f"nn.init.orthogonal_({fixes.code(weight.name)})" for _, weight in weighted(layers))

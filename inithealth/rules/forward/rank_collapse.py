from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

from inithealth.evidence import few_samples, fixes, mixing, signal_path
from inithealth.evidence.wording import called, number, span
from inithealth.findings import Finding, Severity
from inithealth.layer_kinds import MATRICES
from inithealth.powers import squared
from inithealth.recording import Layer, Measurement, Recording, Weight
from inithealth.rules.base import Rule, limit
from inithealth.rules.causality import Stage
from inithealth.theory.activation_table import BY_NAME

Pair = tuple[Layer, Measurement]

# With orthogonal weights these preserve all directions: 31 of 32 after 70 layers. After 70 ReLU layers one is left.
_NEARLY_LINEAR = frozenset({None, *(name for name, row in BY_NAME.items() if row.linear_at_zero)})


_SHORTER_PATH = "add a normalization (nn.BatchNorm1d) or a skip connection every few layers: new weights do not fix it"


class RankCollapse(mixing.MixingLimits, Rule):
    """A layer's outputs lie on a line: they differ in a single direction.

    ## What it checks
    The number of directions in which the outputs of the batch differ (participation ratio of their
    covariance). The rule reports layers with rank-one weights, and deep networks whose signal falls from
    several directions to one over many layers up to the head. Intentional bottlenecks, one-dimensional
    inputs and outputs that do not differ at all are excluded. In stacks of attention that no skip connection
    bypasses: how much the tokens of a sample still differ.

    ## Why it matters
    Outputs on a line carry a single number per sample: downstream layers cannot distinguish more, and
    upstream weights receive gradient through that one direction only.

    ## How to fix
    Reinitialize the weights. If depth is the cause, add normalization or skip connections, or use
    orthogonal weights. Add the input of each attention to its output.

    ## When to ignore
    For weights that are intentionally of rank one.

    ## References
    Daneshmand et al. 2020, https://arxiv.org/abs/2003.01652; Dong et al. 2021,
    https://arxiv.org/abs/2103.03404
    """

    code = "IH207"
    name = "rank-collapse"
    severity = Severity.WARNING
    rank = Stage.NON_FINITE_LOSS
    max_directions: float = limit(
        1.1,
        "largest number of directions for outputs to count as lying on a line; of 90 published networks the lowest is "
        "1.1, all others are 1.7 or more",
        unit="directions (participation ratio)",
    )
    min_layers: int = limit(
        25,
        "fewest consecutive layers whose outputs lie on a line: SGD failed in 12 of 13 such networks, and in 9 of 29 "
        "others",
        unit="layers",
    )
    min_before: float = limit(
        4.0,
        "fewest directions of the signal where it has most: fewer may come from the data",
        unit="directions (participation ratio)",
    )
    max_fall: float = limit(
        4.0,
        "largest fall of the directions from one layer to the next for depth to be the cause: after a larger one, the "
        "layers process different signals",
        unit="ratio",
    )
    min_width: int = limit(
        8,
        "fewest units and inputs of a layer that is checked: fewer are an intentional bottleneck",
        unit="units or inputs",
    )
    min_share: float = limit(
        0.9,
        "smallest share of a weight's sum of squares in one direction for the weights to be the cause",
        unit="share of the sum of squares",
    )
    max_directions_of_head: float = limit(
        1.2,
        "most directions in which a head's outputs differ for depth to be the cause: with more, the signal reaches the "
        "head on another path",
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
        alike = [] if flat or faded else mixing.mixed(recording, self)
        if alike:
            yield self._by_mixing(alike, recording)

    def _on_a_line(self, layer: Layer, m: Measurement) -> bool:
        if m.effective is None or not layer.inner or not layer.reaches_loss or layer.kind == "embedding":
            return False
        # 0 means that outputs do not differ: a branch that starts at zero, or a vanished signal.
        return 0.0 < m.effective < self.max_directions and m.width >= self.min_width - 1

    def _one_direction(self, weight: Weight | None) -> bool:
        """Whether a weight is nearly of rank one."""
        if weight is None or min(weight.fan_in or 0, weight.fan_out or 0) < self.min_width:
            return False
        if weight.constant or abs(weight.row_cosine) > self.min_share:
            return True
        units = weight.fan_out or 1
        if weight.duplicate_rows >= 1.0 - 1.5 / units:
            return True
        inputs = weight.fan_in or 1
        most = math.sqrt(units * inputs) / (math.sqrt(units) + math.sqrt(inputs))  # the spectral edge at rank one
        return weight.spectral_edge is not None and squared(weight.spectral_edge) > self.min_share * squared(most)

    def _faded(self, recording: Recording) -> list[Pair]:
        """Return the layers over which the directions of the signal fall gradually to one up to the head; else none."""
        path = [pair for pair in signal_path.main_path(recording) if self._counts(*pair)]
        wide = [place for place, pair in enumerate(path) if not self._on_a_line(*pair)]
        if not wide or len(path) - 1 - wide[-1] < self.min_layers or self._head_has_more(recording):
            return []
        start = max(range(len(path)), key=lambda place: _directions(path[place]))
        steps = [(_directions(one), _directions(other)) for one, other in pairwise(path[start:])]
        gradual = all(after > 0 and before <= self.max_fall * after for before, after in steps)
        return path[start:] if gradual and _directions(path[start]) >= self.min_before else []

    def _counts(self, layer: Layer, m: Measurement) -> bool:
        wide = min(m.width + 1, (layer.weight.fan_in or 0) if layer.weight else 0) >= self.min_width
        return m.effective is not None and layer.inner and layer.reaches_loss and wide

    def _head_has_more(self, recording: Recording) -> bool:
        """Whether a head's outputs differ in several directions, so that the signal has another path to it."""
        return any(
            layer.head and m.effective is not None and m.effective > self.max_directions_of_head
            for layer, m in signal_path.measured(recording)
        )

    def _by_weights(self, flat: list[Pair]) -> Finding:
        layers = [layer for layer, _ in flat]
        return self.finding(
            layers,
            f"{span(layers)}: {self._used(flat[0])}",
            measured=flat[0][1].effective,
            limit=self.max_directions,
            cause=f"the weight of {called(layers[0])} is nearly of rank one",
            fix=fixes.with_own_scale(layers),
        )

    def _by_depth(self, faded: list[Pair], adaptive: bool) -> Finding:
        layers = [layer for layer, _ in faded]
        most = number(_directions(faded[0]))
        linear = all(layer.activation in _NEARLY_LINEAR for layer in layers)
        return self.finding(
            list(reversed(layers)),
            # Adam trained 8 of 13 such networks.
            severity=Severity.INFO if adaptive else self.severity,
            message=f"{called(layers[-1])}: {self._used(faded[-1])}; {called(layers[0])} has {most}",
            measured=faded[-1][1].effective,
            limit=self.max_directions,
            cause=f"there is no skip connection in {len(layers)} layers, and each layer amplifies the largest "
            "directions most",
            fix=fixes.orthogonal(layers) if linear else _SHORTER_PATH,
        )

    def _by_mixing(self, alike: list[Pair], recording: Recording) -> Finding:
        layers = [layer for layer, _ in alike]
        first, last = mixing.spread(alike[0]), mixing.spread(alike[-1])
        doubled = [layer for layer in recording.layers if layer.doubled and layer.kind in MATRICES]
        twice = f"; the output of {span(doubled)} is added to itself" if doubled else ""
        return self.finding(
            layers,
            f"{span(layers)}: the tokens of a sample become alike: the share of the attention's values that differs "
            f"between tokens falls from {number(first)} to {number(last)} (limit {number(self.max_token_spread)})",
            measured=last,
            limit=self.max_token_spread,
            cause=f"each attention averages over the tokens, and no skip connection bypasses it{twice}",
            fix="add the input of each attention to its output: x = x + attention(x)",
        )

    def _used(self, pair: Pair) -> str:
        return (
            f"the outputs differ in {number(_directions(pair))} of {pair[1].width} directions "
            f"(limit {number(self.max_directions)})"
        )


def _directions(pair: Pair) -> float:
    return pair[1].effective or 0.0

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from itertools import pairwise

from inithealth.evidence import fixes, signal_path
from inithealth.evidence.roles import copied_block, grouped
from inithealth.evidence.wording import called, count, span
from inithealth.findings import Finding, Severity
from inithealth.layer_kinds import DRAWN
from inithealth.recording import Layer, Recording, Weight
from inithealth.rules.base import Rule, limit
from inithealth.rules.causality import Stage


class ClonedLayers(Rule):
    """Layers start as exact copies of each other.

    ## What it checks
    Separate parameters of the same shape whose elements are bit-identical. Constant weights, identity
    matrices, sparse weights, normalization weights and frozen copies are excluded. The finding is a warning
    if two copies also receive gradients of the same norm, since they may then stay identical.

    ## Why it matters
    `copy.deepcopy` of a layer copies its random weights; `nn.TransformerEncoder` does this by default.
    Copies at different depths receive different inputs and diverge at the first step, so this is mostly
    harmless, but the network starts with fewer independent random weights than it has parameters. Parallel
    copies whose outputs are summed never diverge.

    ## How to fix
    Reinitialize each copy after building the network.

    ## When to ignore
    For networks that are intentionally grown by copying layers.

    ## References
    https://github.com/pytorch/pytorch/issues/72253
    """

    code = "IH107"
    name = "cloned-layers"
    severity = Severity.INFO
    rank = Stage.CLONED
    max_zero_share: float = limit(
        0.5,
        "largest share of zeros in a weight that is compared: fixed patterns (identity, bilinear kernels) are mostly "
        "zeros and intentionally equal",
        unit="share of elements",
    )
    min_elements: int = limit(
        64,
        "fewest elements of a weight that is compared: a formula may set smaller weights to the same values in every "
        "block",
        unit="elements",
    )
    max_gradient_difference: float = limit(
        1e-6,
        "largest difference between gradient norms that count as equal; the norms of different layers differ far more",
        unit="share of the larger norm",
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        clones = [
            list({layer.parameter: layer for layer in alike}.values())
            for alike in grouped((layer for layer, weight in recording.weighted if self._drawn(layer, weight)), _values)
        ]
        # All weights of one copied block belong to one finding.
        for group in _blocks([each for each in clones if len(each) > 1]):
            yield self._group(group, recording)

    def _group(self, classes: list[list[Layer]], recording: Recording) -> Finding:
        layers = sorted((layer for alike in classes for layer in alike), key=lambda layer: layer.index)
        copies, equal = len(classes[0]), self._equal_gradients(classes, recording)
        also = f"; their gradient norms differ by at most {self.max_gradient_difference:g} (limit)" if equal else ""
        weights = f"{count(len(classes), 'weight')} each" if len(classes) > 1 else called(classes[0][0])
        return self.finding(
            layers,
            f"{span(layers)}: {copies} bit-identical copies of {weights}{also}",
            severity=Severity.WARNING if equal else self.severity,
            measured=float(copies),
            cause="the copies have the same inputs and outputs: with equal gradients they stay identical"
            if equal
            else "a layer was built once and copied with its weights; copies at different depths receive different "
            "inputs and diverge at the first step, so this is mostly harmless",
            fix=fixes.redraw(layers),
        )

    def _drawn(self, layer: Layer, weight: Weight) -> bool:
        if not weight.fingerprint or not weight.trainable or layer.kind not in DRAWN:
            return False
        patterned = weight.constant or weight.identity or weight.zero_share > self.max_zero_share
        return not patterned and weight.non_finite == 0 and math.prod(weight.shape) >= self.min_elements

    def _equal_gradients(self, classes: list[list[Layer]], recording: Recording) -> bool:
        """Whether each weight has two copies whose gradient norms are equal up to rounding."""
        return all(any(self._same(*pair, recording) for pair in pairwise(alike)) for alike in classes)

    def _same(self, one: Layer, other: Layer, recording: Recording) -> bool:
        norms = [
            m.weight_gradient for m in map(signal_path.first(recording).get, (one.name, other.name)) if m is not None
        ]
        if len(norms) < 2 or norms[0] is None or norms[1] is None or not min(norms[0], norms[1]) > 0:
            return False
        return abs(norms[0] - norms[1]) <= self.max_gradient_difference * max(norms[0], norms[1])


def _values(layer: Layer) -> Hashable:
    weight = layer.weight
    return None if weight is None else (weight.fingerprint, weight.shape, weight.rms, weight.mean)


def _blocks(classes: Sequence[list[Layer]]) -> list[list[list[Layer]]]:
    """Group the classes whose layer names differ in the same numbers: they belong to one copied block."""
    blocks: dict[Hashable, list[list[Layer]]] = {}
    for alike in classes:
        blocks.setdefault(copied_block([layer.name for layer in alike]), []).append(alike)
    return list(blocks.values())

"""All weights of a network off by one factor: no layer disagrees with its peers, each with every recipe."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import pstdev

from inithealth.evidence.limits import Limits, limit
from inithealth.layer_kinds import PROJECTIONS
from inithealth.recording import Layer, Weight, weighted
from inithealth.theory.gains import fan_gains, octaves_off

Pair = tuple[Layer, Weight]


class GlobalLimits(Limits):
    """What shows that all weights of a network are off by one factor."""

    octaves_of_whole: float = limit(
        1.0,
        "distance of nearly all layers from every scheme: none of 358 healthy networks is so far outside",
        unit="octaves (factors of 2)",
    )
    min_share_of_whole: float = limit(
        0.8,
        "least share of the layers that are off in one direction: then the whole network is",
        unit="share of layers",
    )
    min_std_of_whole: float = limit(0.01, "smallest std in common use whatever the fan: most use 0.02", unit="std")
    max_std_of_whole: float = limit(0.05, "largest std in common use whatever the fan: most use 0.02", unit="std")
    min_spread_of_law: float = limit(
        0.2,
        "spread between layers that do not follow a law (equal stds, or equal gains): the rms of 100 random numbers "
        "varies less",
        unit="octaves, standard deviation",
    )
    min_spread_ratio: float = limit(
        4.0, "the rejected law's spread must exceed the accepted one's by this factor", unit="ratio"
    )
    min_layers_of_law: int = limit(4, "fewest layers that show a law", unit="layers", at_least=1)
    min_fan_of_whole: int = limit(
        8, "fewest inputs and units of a layer that is judged: of fewer the scale is chance", unit="inputs or units"
    )


def global_offsets(layers: Sequence[Layer], limits: GlobalLimits) -> dict[str, float]:
    """Octaves by which each layer is off, where nearly all of a network are, in one direction; else empty.

    A weight may be drawn by its fans or with a std that is the same for all. Between the two lies much that neither
    would give: which it is, the layers of different fans tell.
    """
    drawn = [pair for pair in weighted(layers) if _drawn(*pair)]
    telling = [pair for pair in drawn if _tells(*pair, limits)]
    if len(telling) < limits.min_layers_of_law:
        return {}
    off = dict(zip((layer.name for layer, _ in telling), _octaves(telling, telling, limits), strict=True))
    for sign in (1, -1):
        found = {name: octaves for name, octaves in off.items() if octaves * sign > limits.octaves_of_whole}
        # Within residual branches some scale all layers down by depth: what lies on the way past them tells.
        anchors = [pair for pair in drawn if not pair[0].bypassable]
        anchored = sign > 0 or any(
            octaves * sign > limits.octaves_of_whole for octaves in _octaves(anchors, telling, limits)
        )
        if anchored and len(found) >= limits.min_share_of_whole * len(telling):
            return found
    return {}


def _drawn(layer: Layer, weight: Weight) -> bool:
    drawn = weight.trainable and bool(weight.gain) and math.isfinite(weight.gain or 0.0)
    return drawn and layer.kind in PROJECTIONS and layer.reaches_loss and not layer.transformed


def _tells(layer: Layer, weight: Weight, limits: GlobalLimits) -> bool:
    """Whether a layer is wide, and no head and no end of a branch, which many start smaller."""
    fan = min(weight.fan_in or 0, weight.fan_out or 0)
    return fan >= limits.min_fan_of_whole and not layer.head and not layer.ends_branch


def _octaves(pairs: Sequence[Pair], telling: Sequence[Pair], limits: GlobalLimits) -> list[float]:
    """How far each layer is outside the schemes of the kind that the telling ones follow, if they tell."""
    by_fan = [
        octaves_off(weight.rms * math.sqrt(weight.fan_in or 1), fan_gains(layer, weight)) for layer, weight in pairs
    ]
    fixed = [octaves_off(weight.rms, [limits.min_std_of_whole, limits.max_std_of_whole]) for _, weight in pairs]
    weights = [weight for _, weight in telling]
    of_one_std, of_one_gain = _spread([weight.rms for weight in weights]), min(map(_spread, _laws(weights)))
    if of_one_std > max(limits.min_spread_of_law, limits.min_spread_ratio * of_one_gain):
        return by_fan
    if of_one_gain > max(limits.min_spread_of_law, limits.min_spread_ratio * of_one_std):
        return fixed
    return [min(pair, key=abs) for pair in zip(by_fan, fixed, strict=True)]


def _laws(weights: Sequence[Weight]) -> list[list[float]]:
    """What is the same for all layers under the schemes that go by fan_in, by fan_out or by both."""
    fans = [(weight.fan_in or 1, weight.fan_out or 1) for weight in weights]
    ways = ([a for a, _ in fans], [b for _, b in fans], [(a + b) / 2 for a, b in fans])
    return [[weight.rms * math.sqrt(fan) for weight, fan in zip(weights, way, strict=True)] for way in ways]


def _spread(sizes: Sequence[float]) -> float:
    return pstdev(math.log2(size) for size in sizes)

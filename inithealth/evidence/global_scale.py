"""All weights of a network off by one factor: no layer disagrees with its peers, each with every recipe."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import pstdev

from inithealth.layer_kinds import PROJECTIONS
from inithealth.recording import Layer
from inithealth.theory.gains import fan_gains, octaves_off

_FIXED_STDS = (0.01, 0.05)  # in use whatever the fan: most use 0.02
_SPREAD = 0.2  # octaves, in standard deviation, between layers that do not follow a law: the rms of 100 is surer
_TIMES = 4.0  # as far do they lie apart as by the law that they follow
_FEWEST = 4  # layers that show a law
_SMALLEST = 8  # inputs and units: of fewer the scale is chance


def off_as_a_whole(layers: Sequence[Layer], tolerated: float, min_share: float) -> dict[str, float]:
    """Octaves by which each layer is off, where nearly all of a network are, in one direction; else empty.

    A weight may be drawn by its fans or with a std that is the same for all. Between the two lies much that neither
    would give: which it is, the layers of different fans tell.

    Args:
        tolerated: octaves.
        min_share: of the layers judged that have to be off for the network to be.
    """
    drawn = [layer for layer in layers if _drawn(layer)]
    telling = [layer for layer in drawn if _tells(layer)]
    if len(telling) < _FEWEST:
        return {}
    off = dict(zip((layer.name for layer in telling), _octaves(telling, telling), strict=True))
    for sign in (1, -1):
        found = {name: octaves for name, octaves in off.items() if octaves * sign > tolerated}
        # Within residual branches some scale all layers down by depth: what lies on the way past them tells.
        anchors = [layer for layer in drawn if not layer.bypassable]
        anchored = sign > 0 or any(octaves * sign > tolerated for octaves in _octaves(anchors, telling))
        if anchored and len(found) >= min_share * len(telling):
            return found
    return {}


def _drawn(layer: Layer) -> bool:
    weight = layer.weight
    drawn = weight is not None and weight.trainable and bool(weight.gain) and math.isfinite(weight.gain or 0.0)
    return drawn and layer.kind in PROJECTIONS and layer.reaches_loss and not layer.transformed


def _tells(layer: Layer) -> bool:
    """Whether a layer is wide, and no head and no end of a branch, which many start smaller."""
    fans = (layer.weight.fan_in or 0, layer.weight.fan_out or 0) if layer.weight is not None else (0,)
    return min(fans) >= _SMALLEST and not layer.head and not layer.ends_branch


def _octaves(layers: Sequence[Layer], telling: Sequence[Layer]) -> list[float]:
    """How far each layer is outside the schemes of the kind that the telling ones follow, if they tell."""
    stds, shown = _stds(layers), _stds(telling)
    by_fan = [
        octaves_off(std * math.sqrt(_fan_in(layer)), _gains(layer)) for layer, std in zip(layers, stds, strict=True)
    ]
    fixed = [octaves_off(std, list(_FIXED_STDS)) for std in stds]
    of_one_std, of_one_gain = _spread(shown), min(map(_spread, _laws(telling, shown)))
    if of_one_std > max(_SPREAD, _TIMES * of_one_gain):
        return by_fan
    if of_one_gain > max(_SPREAD, _TIMES * of_one_std):
        return fixed
    return [min(pair, key=abs) for pair in zip(by_fan, fixed, strict=True)]


def _stds(layers: Sequence[Layer]) -> list[float]:
    return [layer.weight.rms for layer in layers if layer.weight is not None]


def _laws(layers: Sequence[Layer], stds: Sequence[float]) -> list[list[float]]:
    """What is the same for all layers under the schemes that go by fan_in, by fan_out or by both."""
    fans = [(_fan_in(layer), layer.weight.fan_out or 1 if layer.weight is not None else 1) for layer in layers]
    ways = ([a for a, _ in fans], [b for _, b in fans], [(a + b) / 2 for a, b in fans])
    return [[std * math.sqrt(fan) for std, fan in zip(stds, way, strict=True)] for way in ways]


def _spread(sizes: Sequence[float]) -> float:
    return pstdev(math.log2(size) for size in sizes)


def _fan_in(layer: Layer) -> int:
    return (layer.weight.fan_in or 1) if layer.weight is not None else 1


def _gains(layer: Layer) -> list[float]:
    return fan_gains(layer, layer.weight) if layer.weight is not None else []

"""Networks whose weights are all too large or too small by one factor: each layer agrees with its peers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import pstdev

from inithealth.evidence.limits import Limits, limit
from inithealth.layer_kinds import PROJECTIONS
from inithealth.recording import Layer, Weight, weighted
from inithealth.theory.gains import common_gains, octaves_off

Pair = tuple[Layer, Weight]
Fan = Callable[[Weight], float]

_FANS: tuple[Fan, ...] = (
    lambda weight: weight.fan_in or 1,
    lambda weight: weight.fan_out or 1,
    lambda weight: ((weight.fan_in or 1) + (weight.fan_out or 1)) / 2,
)


class GlobalLimits(Limits):
    """When all weights of a network count as too large or too small."""

    octaves_of_whole: float = limit(
        1.0,
        "largest distance of nearly all layers from all common schemes: no network of 358 healthy ones exceeds it",
        unit="octaves (factors of 2)",
    )
    min_share_of_whole: float = limit(
        0.8,
        "smallest share of layers outside the expected range in one direction for the whole network to be affected",
        unit="share of layers",
    )
    min_std_of_whole: float = limit(0.01, "smallest fixed std in common use: most networks use 0.02", unit="std")
    min_gain_of_whole: float = limit(
        0.08,
        "smallest gain of a layer with a fixed std: 0.02 with 16 inputs. Such stds are meant for wide layers: with a "
        "gain of 0.035, ViTs with 24 channels failed",
        unit="gain",
    )
    max_std_of_whole: float = limit(0.05, "largest fixed std in common use: most networks use 0.02", unit="std")
    min_spread_of_law: float = limit(
        0.2,
        "spread between layers beyond which they do not follow a law (equal stds, or equal gains): the rms of 100 "
        "random numbers varies less",
        unit="octaves, standard deviation",
    )
    min_spread_ratio: float = limit(
        4.0, "the rejected law's spread must exceed the accepted one's by this factor", unit="ratio"
    )
    min_layers_of_law: int = limit(4, "fewest layers from which a law can be determined", unit="layers", at_least=1)
    min_fan_of_whole: int = limit(
        8,
        "fewest inputs and units of a layer that is checked: with fewer, the scale varies by chance",
        unit="inputs or units",
    )


def global_offsets(layers: Sequence[Layer], limits: GlobalLimits) -> dict[str, float]:
    """Return each layer's distance from common schemes, in octaves, if nearly all deviate in one direction; else empty.

    Schemes either scale a weight by its fans or use one std for all weights. Layers with different fans show which of
    the two a network follows.
    """
    drawn = [pair for pair in weighted(layers) if _drawn(*pair)]
    wide = [pair for pair in drawn if _is_wide(*pair, limits)]
    if len(wide) < limits.min_layers_of_law:
        return {}
    offsets = dict(zip((layer.name for layer, _ in wide), _octaves(wide, wide, limits), strict=True))
    for sign in (1, -1):
        found = {name: octaves for name, octaves in offsets.items() if octaves * sign > limits.octaves_of_whole}
        # All layers of residual branches may be scaled down by depth: layers outside the branches have to be too small.
        outside = [pair for pair in drawn if not pair[0].bypassable]
        confirmed = sign > 0 or any(
            octaves * sign > limits.octaves_of_whole for octaves in _octaves(outside, wide, limits)
        )
        if confirmed and len(found) >= limits.min_share_of_whole * len(wide):
            return found
    return {}


def with_the_rest(layers: Sequence[Layer], named: Sequence[Layer], limits: GlobalLimits) -> list[Layer]:
    """Return the named layers and, if they are most layers of the network, the others that deviate in their direction.

    These are heads, ends of branches and narrow layers, where the scale does no harm by itself or cannot be judged
    alone. The code that initializes them is the same.
    """
    drawn, names = [pair for pair in weighted(layers) if _drawn(*pair)], {layer.name for layer in named}
    wide = [pair for pair in drawn if _is_wide(*pair, limits)]
    if not wide or 2 * sum(layer.name in names for layer, _ in drawn) < len(drawn):
        return list(named)
    offsets = {layer.name: each for (layer, _), each in zip(drawn, _octaves(drawn, wide, limits), strict=True)}
    sign = math.copysign(1.0, sum(offsets.get(name, 0.0) for name in names))
    rest = [layer for layer, _ in drawn if offsets[layer.name] * sign > limits.octaves_of_whole]
    return [*named, *(layer for layer in rest if layer.name not in names)]


def _drawn(layer: Layer, weight: Weight) -> bool:
    drawn = weight.trainable and bool(weight.gain) and math.isfinite(weight.gain or 0.0)
    return drawn and layer.kind in PROJECTIONS and layer.reaches_loss and not layer.transformed


def _is_wide(layer: Layer, weight: Weight, limits: GlobalLimits) -> bool:
    """Whether a layer is wide, and neither a head nor the last layer of a branch, which often start smaller."""
    fan = min(weight.fan_in or 0, weight.fan_out or 0)
    return fan >= limits.min_fan_of_whole and layer.inner and not layer.ends_branch


def _octaves(pairs: Sequence[Pair], wide: Sequence[Pair], limits: GlobalLimits) -> list[float]:
    """Return each layer's distance from the kind of scheme that the wide layers follow, or from both kinds."""
    weights = [weight for _, weight in wide]
    of_one_std, of_one_gain = _spread([weight.rms for weight in weights]), min(map(_spread, _laws(weights)))
    if of_one_std > max(limits.min_spread_of_law, limits.min_spread_ratio * of_one_gain):
        fans = _fans(weights, limits)
        return [_octaves_by_fan(layer, weight, fans) for layer, weight in pairs]
    fixed = [octaves_off(weight.rms, _fixed(weight, limits)) for _, weight in pairs]
    if of_one_gain > max(limits.min_spread_of_law, limits.min_spread_ratio * of_one_std):
        return fixed
    by_any_fan = [_octaves_by_fan(layer, weight, _FANS) for layer, weight in pairs]
    return [min(pair, key=abs) for pair in zip(by_any_fan, fixed, strict=True)]


def _octaves_by_fan(layer: Layer, weight: Weight, fans: Sequence[Fan]) -> float:
    """Return a layer's distance from the nearest of the schemes that use one of these fans."""
    gains = common_gains(layer)
    return min((octaves_off(weight.rms * math.sqrt(fan(weight)), gains) for fan in fans), key=abs)


def _fixed(weight: Weight, limits: GlobalLimits) -> list[float]:
    """Return the smallest and the largest fixed std in common use for a layer."""
    least = limits.min_gain_of_whole / math.sqrt(weight.fan_in or 1)
    return [max(limits.min_std_of_whole, least), limits.max_std_of_whole]


def _fans(weights: Sequence[Weight], limits: GlobalLimits) -> list[Fan]:
    """Return the fans by which the layers may be scaled: with one of them, all layers have one gain."""
    spreads = map(_spread, _laws(weights))
    fitting = [fan for fan, spread in zip(_FANS, spreads, strict=True) if spread < limits.min_spread_of_law]
    return fitting or list(_FANS)


def _laws(weights: Sequence[Weight]) -> list[list[float]]:
    """Return the gains by fan_in, by fan_out and by both: one of them is equal for all layers under a fan scheme."""
    return [[weight.rms * math.sqrt(fan(weight)) for weight in weights] for fan in _FANS]


def _spread(sizes: Sequence[float]) -> float:
    return pstdev(math.log2(size) for size in sizes)

"""GPT's rule for residual branches: what ends them starts smaller by the square root of how many there are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from inithealth.evidence.limits import Limits, limit
from inithealth.evidence.roles import block_role, grouped
from inithealth.evidence.trained import trained_layers
from inithealth.layer_kinds import PROJECTIONS
from inithealth.recording import Layer, Recording, Weight, weighted

_DRAWN = PROJECTIONS | {"bmm"}
Size = Callable[[Weight], float]


class DepthLimits(Limits):
    """What shows that layers are scaled by the depth."""

    max_difference: float = limit(
        0.05,
        "difference between layers of one size: the rms of 64 x 64 random weights is known to 1 %",
        unit="share of the larger size",
    )
    max_depth_difference: float = limit(
        0.1,
        "difference from the root of the depth: sqrt(2 N) of 12 blocks is 6 % from that of 11",
        unit="share of the larger factor",
    )
    min_roles: int = limit(2, "fewest roles of one size that show which size is usual", unit="roles")
    min_blocks: int = limit(
        3, "fewest blocks of a depth that is judged: with fewer, sqrt(2 N) is close to other factors", unit="blocks"
    )


@dataclass(frozen=True)
class Unscaled:
    """Branch ends that were left out, and the layers that show that the others were not."""

    ends: list[Layer]
    scaled: list[Layer]  # one role of them
    misplaced: list[Layer]  # scaled though they end no branch
    branches: int  # that the scale is for


def unscaled_ends(recording: Recording, limits: DepthLimits) -> Unscaled | None:
    """Branch ends as large as every other layer, in a network that scales some role down by its depth.

    Schemes keep the std, or the gain by fan_in, by fan_out or by both. The layers that end no branch tell which:
    what is left out has to be so by every measure that they share.
    """
    shared = _by_every_measure(recording, limits)
    if not shared:
        return None
    left_out = set.intersection(*({layer.name for layer in each.ends} for each in shared))
    ends = [layer for layer in shared[0].ends if layer.name in left_out]
    return replace(shared[0], ends=ends) if ends else None


def scaled_by_depth(recording: Recording, limits: DepthLimits) -> bool:
    """Whether the branch ends are smaller than the layers within the branches by the root of the depth."""
    inside = [layer for layer, weight in recording.weighted if _judged(layer, weight)]
    roles = [role for role in grouped(inside, block_role) if len(role) >= limits.min_blocks]
    ends = [role for role in roles if _ends(role)]
    for size in _MEASURES:
        usual, agreeing = _usual([_middle(role, size) for role in roles if not _ends(role)], limits)
        if agreeing and ends and all(_depth(role, usual, size, recording.branches, limits) for role in ends):
            return True
    return False


def scaled_twice(recording: Recording, limits: DepthLimits) -> list[Layer]:
    """Layers within the branches that are scaled by the depth although the branch ends are so already."""
    shared = _by_every_measure(recording, limits)
    if not shared or any(not each.scaled or each.ends for each in shared):
        return []
    common = set.intersection(*({layer.name for layer in each.misplaced} for each in shared))
    return [layer for layer in shared[0].misplaced if layer.name in common]


def _by_every_measure(recording: Recording, limits: DepthLimits) -> list[Unscaled]:
    """The branch ends by each measure that the layers within the branches share.

    A measure that all of them share is preferred to one that they share only if some are scaled where no branch
    ends: in 4 blocks, layers that widen by four look as if the others were smaller by sqrt(4).
    """
    trained = trained_layers(recording)
    inside = [layer for layer, weight in recording.weighted if _judged(layer, weight) and layer.name not in trained]
    roles = [role for role in grouped(inside, block_role) if len(role) >= limits.min_blocks]
    found = [_left_out(roles, size, recording.branches, limits) for size in _MEASURES]
    shared = [each for each in found if each is not None]
    return [each for each in shared if not each.misplaced] or shared


def _left_out(roles: Sequence[list[Layer]], size: Size, branches: int, limits: DepthLimits) -> Unscaled | None:
    """None where the layers that end no branch have no common size by this measure."""
    inner = [role for role in roles if not _ends(role)]
    usual, agreeing = _usual([_middle(role, size) for role in inner], limits)
    if agreeing < limits.min_roles:
        return None
    depths = [(role, depth) for role in roles if (depth := _depth(role, usual, size, branches, limits))]
    wrong = [role for role, _ in depths if not _ends(role)]
    if agreeing + len(wrong) < len(inner):
        return None
    # Other layers within a branch are small for many reasons; a factor of a product is as good as its end.
    evidence = [pair for pair in depths if _ends(pair[0]) or pair[0][0].feeds == "gate"]
    misplaced = [layer for role in wrong for layer in role]
    if not evidence:
        return Unscaled([], [], misplaced, 0)
    ends = [role for role in roles if _ends(role) and _middle(role, size) > usual * (1 - limits.max_difference)]
    scaled, depth = max(evidence, key=lambda pair: _ends(pair[0]))
    return Unscaled([layer for role in ends for layer in role], scaled, misplaced, depth)


def _usual(sizes: Sequence[float], limits: DepthLimits) -> tuple[float, int]:
    """The most common size, and how many have it."""
    agreeing = [(sum(_close(one, other, limits.max_difference) for other in sizes), one) for one in sizes]
    amount, one = max(agreeing, default=(0, 0.0))
    return one, amount


def _depth(role: Sequence[Layer], usual: float, size: Size, branches: int, limits: DepthLimits) -> int:
    """The number of branches that a role is scaled down for; 0 where it is not."""
    blocks = len(role)
    factor = usual / _middle(role, size)
    for depth in (2 * blocks, branches, blocks):
        if depth > 1 and _close(factor, math.sqrt(depth), limits.max_depth_difference):
            return depth
    # Some count the blocks up to the layer's own.
    growing = (
        _close(usual / size(weight), math.sqrt(2 * (n + 1)), limits.max_depth_difference)
        for n, (_, weight) in enumerate(weighted(role))
    )
    return 2 * blocks if all(growing) else 0


def _judged(layer: Layer, weight: Weight) -> bool:
    # A norm behind a layer takes its scale away: there is nothing to scale by depth.
    inside = (layer.bypassable or layer.ends_branch) and not layer.normed
    drawn = weight.trainable and bool(weight.gain) and bool(weight.fan_out)
    return inside and drawn and layer.kind in _DRAWN


def _ends(role: Sequence[Layer]) -> bool:
    return sum(layer.ends_branch for layer in role) > len(role) / 2


def _close(one: float, other: float, tolerance: float) -> bool:
    return abs(one - other) <= tolerance * max(one, other)


def _middle(role: Sequence[Layer], size: Size) -> float:
    return median(size(weight) for _, weight in weighted(role))


def _std(weight: Weight) -> float:
    return weight.rms


def _gain(weight: Weight) -> float:
    return weight.rms * math.sqrt(weight.fan_in or 1)


def _outward(weight: Weight) -> float:
    return weight.rms * math.sqrt(weight.fan_out or 1)


def _both_ways(weight: Weight) -> float:
    return weight.rms * math.sqrt(((weight.fan_in or 1) + (weight.fan_out or 1)) / 2)


_MEASURES: tuple[Size, ...] = (_std, _gain, _outward, _both_ways)

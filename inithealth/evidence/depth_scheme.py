"""GPT-2's scheme for residual branches: the last layer of each starts smaller by the square root of their number."""

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
    """When layers count as scaled by depth."""

    max_difference: float = limit(
        0.05,
        "largest difference between layers of the same scale: the rms of 64 x 64 random weights varies by 1%",
        unit="share of the larger scale",
    )
    max_depth_difference: float = limit(
        0.1,
        "largest difference from sqrt(depth) for a layer to count as scaled by depth: sqrt(2 N) for 12 blocks differs "
        "by 4% from that for 11",
        unit="share of the larger factor",
    )
    min_roles: int = limit(2, "fewest groups of peers with the same scale for it to count as usual", unit="groups")
    min_blocks: int = limit(
        3, "fewest blocks of a network that is checked: with fewer, sqrt(2 N) is close to other factors", unit="blocks"
    )


@dataclass(frozen=True)
class Unscaled:
    """Last layers of residual branches that are not scaled by depth, in a network with layers that are."""

    ends: list[Layer]
    scaled: list[Layer]  # layers of one role that are scaled by depth
    misplaced: list[Layer]  # layers scaled by depth that are not the last of a branch
    branches: int  # number of branches that the scaling is for


def unscaled_ends(recording: Recording, limits: DepthLimits) -> Unscaled | None:
    """Return the last layers of branches that are not scaled, if some layers are scaled by depth; else None.

    A scheme gives layers the same std, or the same gain by fan_in, fan_out or both. The layers inside the branches show
    which of these they share; a layer counts as not scaled only if it is not scaled by any of them.
    """
    shared = _by_every_measure(recording, limits)
    if not shared:
        return None
    left_out = set.intersection(*({layer.name for layer in each.ends} for each in shared))
    ends = [layer for layer in shared[0].ends if layer.name in left_out]
    return replace(shared[0], ends=ends) if ends else None


def scaled_by_depth(recording: Recording, limits: DepthLimits) -> bool:
    """Whether the last layers of branches are smaller than the layers inside by the square root of the depth."""
    inside = [layer for layer, weight in recording.weighted if _judged(layer, weight)]
    roles = [role for role in grouped(inside, block_role) if len(role) >= limits.min_blocks]
    ends = [role for role in roles if _ends(role)]
    for size in _MEASURES:
        usual, agreeing = _usual([_middle(role, size) for role in roles if not _ends(role)], limits)
        if agreeing and ends and all(_depth(role, usual, size, recording.branches, limits) for role in ends):
            return True
    return False


def scaled_twice(recording: Recording, limits: DepthLimits) -> list[Layer]:
    """Return the layers inside the branches that are scaled by depth although the last layers are scaled too."""
    shared = _by_every_measure(recording, limits)
    if not shared or any(not each.scaled or each.ends for each in shared):
        return []
    common = set.intersection(*({layer.name for layer in each.misplaced} for each in shared))
    return [layer for layer in shared[0].misplaced if layer.name in common]


def _by_every_measure(recording: Recording, limits: DepthLimits) -> list[Unscaled]:
    """Return the result for each measure that the layers inside the branches share.

    Measures by which no layer inside is scaled by depth are preferred: in a network with 4 blocks, layers that widen
    by four make the others look smaller by sqrt(4).
    """
    trained = trained_layers(recording)
    inside = [layer for layer, weight in recording.weighted if _judged(layer, weight) and layer.name not in trained]
    roles = [role for role in grouped(inside, block_role) if len(role) >= limits.min_blocks]
    found = [_left_out(roles, size, recording.branches, limits) for size in _MEASURES]
    shared = [each for each in found if each is not None]
    return [each for each in shared if not each.misplaced] or shared


def _left_out(roles: Sequence[list[Layer]], size: Size, branches: int, limits: DepthLimits) -> Unscaled | None:
    """Return the result for one measure; None if the layers inside the branches do not share it."""
    inner = [role for role in roles if not _ends(role)]
    usual, agreeing = _usual([_middle(role, size) for role in inner], limits)
    if agreeing < limits.min_roles:
        return None
    depths = [(role, depth) for role in roles if (depth := _depth(role, usual, size, branches, limits))]
    wrong = [role for role, _ in depths if not _ends(role)]
    if agreeing + len(wrong) < len(inner):
        return None
    # Only last layers and factors of a product show depth scaling; other layers are small for many reasons.
    evidence = [pair for pair in depths if _ends(pair[0]) or pair[0][0].feeds == "gate"]
    misplaced = [layer for role in wrong for layer in role]
    if not evidence:
        return Unscaled([], [], misplaced, 0)
    ends = [role for role in roles if _ends(role) and _middle(role, size) > usual * (1 - limits.max_difference)]
    scaled, depth = max(evidence, key=lambda pair: _ends(pair[0]))
    return Unscaled([layer for role in ends for layer in role], scaled, misplaced, depth)


def _usual(sizes: Sequence[float], limits: DepthLimits) -> tuple[float, int]:
    """Return the most common scale, and how many layers have it."""
    agreeing = [(sum(_close(one, other, limits.max_difference) for other in sizes), one) for one in sizes]
    amount, one = max(agreeing, default=(0, 0.0))
    return one, amount


def _depth(role: Sequence[Layer], usual: float, size: Size, branches: int, limits: DepthLimits) -> int:
    """Return the number of branches that the layers of a role are scaled for; 0 if they are not scaled by depth."""
    blocks = len(role)
    factor = usual / _middle(role, size)
    for depth in (2 * blocks, branches, blocks):
        if depth > 1 and _close(factor, math.sqrt(depth), limits.max_depth_difference):
            return depth
    # Some schemes use the number of blocks up to the layer's own.
    growing = (
        _close(usual / size(weight), math.sqrt(2 * (n + 1)), limits.max_depth_difference)
        for n, (_, weight) in enumerate(weighted(role))
    )
    return 2 * blocks if all(growing) else 0


def _judged(layer: Layer, weight: Weight) -> bool:
    # A normalization after a layer removes its scale, so depth scaling has no effect there.
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

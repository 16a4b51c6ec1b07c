"""Which colour a ratio gets: diverging and discrete, so that a class can be told in a screenshot."""

from __future__ import annotations

import math
from collections.abc import Iterable

from inithealth.tensorboard.expected import OCTAVES
from inithealth.tensorboard.log2_levels import Level

Colour = tuple[int, int, int]

# Too small is blue, too large red, within the healthy band plain grey. No "÷": Pillow's own font has none.
LEGEND: tuple[tuple[str, Colour], ...] = (
    ("/256", (8, 48, 107)),
    ("/16", (47, 116, 191)),
    ("/4", (127, 176, 227)),
    ("/2", (201, 222, 244)),
    ("ok", (227, 229, 232)),
    ("x2", (252, 213, 194)),
    ("x4", (245, 155, 116)),
    ("x16", (217, 79, 48)),
    ("x256", (138, 16, 16)),
    ("NaN", (217, 0, 217)),
)
_EDGES = (OCTAVES, 2.0, 4.0, 8.0)  # octaves to either side where "x2", "x4", "x16" and "x256" begin
_CENTRE, _NOT_FINITE = 4, 9
_STICKY = 0.25  # octaves past an edge before a row changes its class: no flicker at the edges


def classes(ratios: Iterable[Level]) -> list[int | None]:
    """Place in `LEGEND` of each of one row's ratios, step by step; None where nothing was measured."""
    result: list[int | None] = []
    for ratio in ratios:
        before = result[-1] if result else None
        near = ratio is not None and before in (_class(ratio - _STICKY), _class(ratio + _STICKY))
        result.append(before if near else _class(ratio))
    return result


def _class(ratio: Level) -> int | None:
    if ratio is None:
        return None
    if math.isnan(ratio):
        return _NOT_FINITE
    distance = sum(abs(ratio) > edge for edge in _EDGES)
    return _CENTRE + (distance if ratio > 0 else -distance)

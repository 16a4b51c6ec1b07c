"""The color of a ratio: diverging and discrete, so that classes can be distinguished in a screenshot."""

from __future__ import annotations

import math
from collections.abc import Iterable

from inithealth.page.expected import OCTAVES

Level = float | None  # octaves from what is expected: NaN if not finite, -inf for an exact zero, None if not measured

Color = tuple[int, int, int]

# Too small is blue, too large is red, the healthy band is gray. No "÷": Pillow's default font does not have it.
LEGEND: tuple[tuple[str, Color], ...] = (
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
_EDGES = (OCTAVES, 2.0, 4.0, 8.0)  # octaves at which "x2", "x4", "x16" and "x256" begin, in both directions
_CENTER, _NOT_FINITE = 4, 9
_STICKY = 0.25  # octaves beyond an edge at which a row changes its class, to avoid flicker


def classes(ratios: Iterable[Level]) -> list[int | None]:
    """Return the index in `LEGEND` for each ratio of a row, in order of the steps; None if not measured."""
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
    return _CENTER + (distance if ratio > 0 else -distance)

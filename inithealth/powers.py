"""Powers of numbers up to the largest float: Python raises an error where torch and numpy return infinity."""

from __future__ import annotations

import math

MOST_OCTAVES = 1022.0  # of the normal floats, and of their reciprocals


def squared(value: float) -> float:
    """Return the square; infinity if it is too large for a float."""
    return value * value


def factor_of(octaves: float) -> float:
    """Return 2 to the power of ``octaves``, limited to the normal floats, so that it can be divided by."""
    return float(2.0 ** min(max(octaves, -MOST_OCTAVES), MOST_OCTAVES))


def octaves_of(factor: float) -> float:
    """Return log2 of a factor, limited to the normal floats; the lowest for zero and NaN."""
    return math.log2(min(2.0**MOST_OCTAVES, max(2.0**-MOST_OCTAVES, factor)))

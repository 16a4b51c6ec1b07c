"""Confidence intervals of shares."""

from __future__ import annotations

import math

Z = 1.96  # 95 %


def wilson(part: int, whole: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927), accurate for small counts and for shares near 0 and 1."""
    if whole == 0:
        return 0.0, 1.0
    share, spread = part / whole, Z * Z / whole
    middle = (share + spread / 2) / (1 + spread)
    width = Z * math.sqrt(share * (1 - share) / whole + spread / (4 * whole)) / (1 + spread)
    return max(0.0, middle - width), min(1.0, middle + width)

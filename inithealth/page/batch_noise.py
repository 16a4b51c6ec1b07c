"""The noise of gradients, each of which is that of a single batch.

When most samples are learned, a few of them decide the gradient, and where few elements have one, such as those of the
last token, a sample of the elements measures it poorly. A layer is off only beyond its usual noise, and at two recorded
steps in a row.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

_JUMPS = 5  # last changes from step to step whose median is usual: a layer that jumps once does not hide the jump


class BatchNoise:
    """Follows the gradients of a number of layers, step by step."""

    def __init__(self, layers: int) -> None:
        self._jumps = np.zeros((_JUMPS, layers))
        self._steps = 0
        self._moved = np.zeros(layers)
        self._off = np.zeros(layers)

    def usual(self, moved: Numbers) -> Numbers:
        """Return by how many octaves each gradient usually changes from step to step.

        Args:
            moved: octaves by which it has moved, unlike its peers', since the first step; NaN if it was not measured.
        """
        self._jumps[self._steps % _JUMPS] = np.fmax(np.abs(moved - self._moved), 0.0)
        self._moved, self._steps = moved, self._steps + 1
        median: Numbers = np.sort(self._jumps, axis=0)[_JUMPS // 2]
        return median

    def lasting(self, octaves: Numbers, sign: Numbers) -> Numbers:
        """Return the smaller of the deviations at this step and at the one before, 0 if their signs differ.

        Args:
            octaves: by which gradients are off, regardless of the sign.
            sign: of these deviations.
        """
        before, self._off = self._off, np.fmax(octaves, 0.0) * sign
        smaller: Numbers = np.fmin(octaves, before * sign)
        return smaller

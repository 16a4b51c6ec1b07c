"""The progress of a check of a model that is larger than memory, in a line of text."""

from __future__ import annotations

import time
from collections.abc import Callable

from inithealth.record.paged.pager import Pager

_PASSES = 2  # every weight is made for the forward pass and for the backward pass


class Progress:
    """Describes how far the check is, whenever a weight is made.

    Args:
        weights: number of weights that are made.
        show: called with the line; None for no progress.
    """

    def __init__(self, weights: int, show: Callable[[str], None] | None) -> None:
        self._total, self._show, self._start = _PASSES * weights, show, time.monotonic()

    def __call__(self, pager: Pager) -> None:
        if self._show is not None:
            name = "" if pager.loading is None else f", {pager.loading.name}"
            self._show(f"{self._place(pager.loads)}{name}, {pager.used / 1e9:.1f} GB of memory")

    def _place(self, done: int) -> str:
        if done > self._total:
            return "further passes"
        left = (time.monotonic() - self._start) * (self._total / done - 1)
        return f"{done} of {self._total} weights, about {left:.0f} s left"

"""The loss scale of mixed precision: its factor in the gradients, and the steps that the scaler skips."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import Any

_MOST_OVERFLOWS = 20  # consecutive overflows: a scale of 2^16 has been reduced to 1 by then


class LossScale:
    """Reads a ``torch.amp.GradScaler``.

    Args:
        scaler: None or a disabled one has scale 1.
    """

    def __init__(self, scaler: Any) -> None:
        self._scaler = scaler if scaler is not None and scaler.is_enabled() else None
        self._last: float | None = None

    def at_backward(self) -> float:
        """Return the factor of this step's loss."""
        return 1.0 if self._scaler is None else float(self._scaler.get_scale())

    def now(self) -> float:
        """Return the factor in ``.grad``; 1 after the scaler has unscaled it."""
        if self._scaler is None:
            return 1.0
        states = self._scaler._per_optimizer_states.values()
        return 1.0 if any(state["stage"].name == "UNSCALED" for state in states) else self.at_backward()

    def skipped(self) -> bool:
        """Return whether the last optimizer step was skipped, which reduces the scale. Call it once per step."""
        scale = self.at_backward()
        fell = self._last is not None and scale < self._last
        self._last = scale
        return fell


class Overflows:
    """Counts steps that a scaler will skip because the loss scale is too large, which is normal at the start."""

    def __init__(self) -> None:
        self.before = 0  # consecutive ones before the last step without overflow
        self._now = 0

    def note(self, loss: float | None, norms: Iterable[float]) -> bool:
        """Return whether the gradients of a finite loss overflow; False after 20 in a row, with another cause."""
        over = self._now < _MOST_OVERFLOWS and (loss is None or isfinite(loss)) and not all(map(isfinite, norms))
        self.before, self._now = self._now, self._now + 1 if over else 0
        return over

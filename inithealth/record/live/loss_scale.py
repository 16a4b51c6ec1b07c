"""Mixed precision's loss scale: what it makes of gradients, and which steps it skips."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import Any

_MOST_OVERFLOWS = 20  # in a row: a scale of 2^16 has come down to 1 long before


class LossScale:
    """Reads a ``torch.amp.GradScaler``.

    Args:
        scaler: None or a disabled one scales by 1.
    """

    def __init__(self, scaler: Any) -> None:
        self._scaler = scaler if scaler is not None and scaler.is_enabled() else None
        self._last: float | None = None

    def at_backward(self) -> float:
        """By how much this step's loss was multiplied."""
        return 1.0 if self._scaler is None else float(self._scaler.get_scale())

    def now(self) -> float:
        """By how much ``.grad`` is too large; 1 once the scaler has unscaled it."""
        if self._scaler is None:
            return 1.0
        states = self._scaler._per_optimizer_states.values()
        return 1.0 if any(state["stage"].name == "UNSCALED" for state in states) else self.at_backward()

    def skipped(self) -> bool:
        """Whether the optimizer step before this one was skipped: the scale went down. Call it once a step."""
        scale = self.at_backward()
        fell = self._last is not None and scale < self._last
        self._last = scale
        return fell


class Overflows:
    """Steps that a scaler is about to skip, since the loss scale is still too large, which is normal at first."""

    def __init__(self) -> None:
        self.before = 0  # in a row, right before the last step that was none
        self._now = 0

    def note(self, loss: float | None, norms: Iterable[float]) -> bool:
        """Whether the gradients of a finite loss overflow; after twenty in a row the scale is not to blame."""
        over = self._now < _MOST_OVERFLOWS and (loss is None or isfinite(loss)) and not all(map(isfinite, norms))
        self.before, self._now = self._now, self._now + 1 if over else 0
        return over

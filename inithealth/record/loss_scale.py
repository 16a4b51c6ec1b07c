"""Mixed precision's loss scale: what it makes of gradients, and which steps it skips."""

from __future__ import annotations

from typing import Any


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

"""The recorded steps that a run keeps: a bounded number."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from inithealth.recording import EARLY, Step

_MOST_STEPS = 64  # later steps
_JUDGED_EVERY = 8  # consecutive steps: their comparison changes slowly, and judging takes time
_MOST_MEASUREMENTS = 4096  # layers times later steps; each takes about 2 KB


class KeptSteps:
    """The first step, the early ones after it, and the last ones, up to a limit."""

    def __init__(self, steps: Iterable[Step] = ()) -> None:
        self._early: list[Step] = []
        self._later: deque[Step] = deque(maxlen=_MOST_STEPS)
        self._count = 0
        self.broken = False  # whether any step so far was broken
        for step in steps:
            self.add(step)

    def __bool__(self) -> bool:
        return bool(self._early)

    def add(self, step: Step) -> None:
        self._count += 1
        self.broken = self.broken or step.broken
        if not self._early:
            self._later = deque(maxlen=max(1, min(_MOST_STEPS, _MOST_MEASUREMENTS // max(1, len(step.layers)))))
        (self._early if len(self._early) <= EARLY else self._later).append(step)

    def change_last(self, **fields: Any) -> None:
        """Set fields of the last step that are measured after it."""
        steps = self._later or self._early
        if steps:
            steps[-1] = steps[-1].model_copy(update=fields)

    @property
    def due(self) -> bool:
        """Whether the steps are judged at the last step: every eighth step, and each step after a gap."""
        return self._count % _JUDGED_EVERY == 0 or self._after_a_gap

    @property
    def update_due(self) -> bool:
        """Whether the update after the last step is measured: in early steps, and before the steps are judged."""
        return self._count <= 1 + EARLY or self._count % _JUDGED_EVERY >= _JUDGED_EVERY - 2 or self._after_a_gap

    @property
    def _after_a_gap(self) -> bool:
        steps = self._later or self._early
        before = steps[-2] if len(steps) > 1 else self._early[-1] if self._later else None
        return before is not None and steps[-1].index > before.index + 1

    @property
    def steps(self) -> tuple[Step, ...]:
        return (*self._early, *self._later)

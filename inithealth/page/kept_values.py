"""The values of a run's steps that its report keeps: a bounded number of bytes, whatever the length of the run."""

from __future__ import annotations

from inithealth.page.step_values import columns, size
from inithealth.recorded_run import StepValues
from inithealth.recording import EARLY

_MOST_BYTES = 320_000  # 50 steps of 200 layers


class KeptValues:
    """The first steps, and every nth of the later ones; n doubles when the bytes are used up. The last step is kept.

    Args:
        layers: number of layers in each step.
        most_bytes: of all steps together; two steps are kept in any case.
    """

    def __init__(self, layers: int, most_bytes: int = _MOST_BYTES) -> None:
        self._most = max(2, most_bytes // max(1, size(layers)))
        self._early = min(1 + EARLY, self._most // 2)
        self._every = 1
        self._added = 0
        self._rows: list[tuple[int, int, bytes]] = []  # how many were added before it, step, values
        self._last_is_extra = False  # whether the last row is kept only until the next one

    def add(self, step: int, values: bytes) -> None:
        """Add the values of the next step."""
        if self._last_is_extra:
            self._rows.pop()
        self._rows.append((self._added, step, values))
        self._added += 1
        self._last_is_extra = not self._is_kept(self._rows[-1][0])
        while len(self._rows) > self._most:
            self._every *= 2
            *rows, last = self._rows
            self._rows = [*(row for row in rows if self._is_kept(row[0])), last]
            self._last_is_extra = not self._is_kept(last[0])

    def replace_last(self, values: bytes) -> None:
        """Set the values of the last step, which were not complete."""
        number, step, _ = self._rows[-1]
        self._rows[-1] = number, step, values

    def _is_kept(self, number: int) -> bool:
        return number < self._early or (number - self._early + 1) % self._every == 0

    @property
    def values(self) -> StepValues | None:
        """The kept steps; None before the first one."""
        if not self._rows:
            return None
        rows = sorted(self._rows, key=lambda row: row[1])
        blocks = [block for _, _, block in rows]
        return StepValues(steps=tuple(step for _, step, _ in rows), values=columns(blocks), thinned=self.thinned)

    @property
    def thinned(self) -> str | None:
        """Which recorded steps are kept, in a sentence; None if all are."""
        if self._every == 1:
            return None
        return f"the first {self._early} recorded steps, every {self._every}th later one and the last one are kept"

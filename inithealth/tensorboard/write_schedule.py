"""Which steps are written, so that a run of any length stays within a number of bytes."""

from __future__ import annotations


class WriteSchedule:
    """Half of the bytes are for consecutive steps, half of the rest for every 8th, of the rest for every 64th, ...

    Args:
        step_bytes: size of one step.
        most_bytes: of all steps together.
    """

    def __init__(self, step_bytes: int, most_bytes: int) -> None:
        self._left = max(2, most_bytes // max(1, step_bytes))  # steps that may still be written
        self._stage = -(-self._left // 2)  # of these, steps at the present interval
        self._every = 1
        self._wait = 0  # steps before the next one that is written
        self._since = 0  # last step before the present interval
        self.thinned: str | None = None  # which steps are written, in a sentence; None: all

    def writes(self, step: int) -> bool:
        """Return whether the next step is written; count it."""
        if self._left == 0:
            self.thinned = f"no step after step {self._since} is written: the run's limit of data is reached"
            return False
        if self._wait > 0:
            self._wait -= 1
            self.thinned = f"every {self._every}th recorded step after step {self._since} is written"
            return False
        self._left -= 1
        self._stage -= 1
        if self._stage <= 0:
            self._stage = -(-self._left // 2)
            self._every *= 8
            self._since = step
        self._wait = self._every - 1
        return True

"""Writes the data of the plugin's tab: 32 bytes a layer and step, at most 50 MB a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from inithealth.page.document import to_json
from inithealth.tensorboard import tab_tags
from inithealth.tensorboard.write_schedule import WriteSchedule

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary

Write = Callable[["Summary", int], None]
_MOST_STEP_BYTES = 40_000_000  # of the values; the rest is for the structure and the states
_MOST_STEPS = 4000  # of a small network: more than the page can show
_MOST_STATE_BYTES = 5_000_000
_OVERHEAD = 160  # bytes of an event besides its values


class TabWriter:
    """Writes the events of one run.

    Args:
        write: adds a summary at a step.
    """

    def __init__(self, write: Write) -> None:
        self._write = write
        self._schedule: WriteSchedule | None = None
        self._state: dict[str, Any] | None = None
        self._state_bytes = 0
        self._thinned: str | None = None

    def started(self, structure: Mapping[str, Any], step: int, block: bytes) -> None:
        """Write the structure, and the values of the first step under its own tag."""
        from inithealth.tensorboard.events import tab_text_event, tab_values_event

        step_bytes = len(block) + _OVERHEAD
        self._schedule = WriteSchedule(step_bytes, min(_MOST_STEP_BYTES, _MOST_STEPS * step_bytes))
        self._write(tab_text_event(tab_tags.STRUCTURE, to_json(structure)), step)
        self._write(tab_values_event(tab_tags.FIRST_STEP, block), step)

    def valued(self, step: int, block: bytes) -> None:
        """Write the values of a step, unless the schedule leaves it out."""
        from inithealth.tensorboard.events import tab_values_event

        if self._schedule is None:
            return
        if self._schedule.writes(step):
            self._write(tab_values_event(tab_tags.STEPS, block), step)
        if self._schedule.thinned != self._thinned:
            self._thinned = self._schedule.thinned
            self.state(self._state, step)

    def state(self, state: dict[str, Any] | None, step: int) -> None:
        """Write the verdict and the findings. When their bytes are used up, the findings are left out."""
        from inithealth.tensorboard.events import tab_text_event

        self._state = state
        text = to_json({**(state or {}), "lastStep": step, "thinned": self._thinned})
        if self._state_bytes + len(text) > _MOST_STATE_BYTES and state is not None:
            brief = {name: value for name, value in state.items() if name not in ("findings", "notes", "skipped")}
            text = to_json({**brief, "findings": [], "lastStep": step, "thinned": self._thinned})
        self._state_bytes += len(text)
        if self._state_bytes < 2 * _MOST_STATE_BYTES:
            self._write(tab_text_event(tab_tags.STATE, text), step)

"""Process-wide changes that several threads share: the first thread makes a change, the last one undoes it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from types import TracebackType
from typing import ClassVar

# The one lock for all process-wide state. It is held briefly, never while a model runs.
LOCK = threading.Condition(threading.RLock())


class Counted:
    """A context manager for a process-wide change that lasts while any thread is in the context.

    If each context restored the state that it found, two overlapping contexts would leave the first change in place.

    Args:
        change: makes the change and returns a function that undoes it.
    """

    _all: ClassVar[list[Counted]] = []

    def __init__(self, change: Callable[[], Callable[[], None]]) -> None:
        self._change = change
        self._undo: Callable[[], None] | None = None
        self._threads: list[int] = []  # one entry for each context
        self._all.append(self)

    @property
    def here(self) -> bool:
        """Whether this thread is in the context."""
        return threading.get_ident() in self._threads

    def __enter__(self) -> None:
        with LOCK:
            if self._undo is None:
                self._undo = self._change()
            self._threads.append(threading.get_ident())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with LOCK:
            self._threads.remove(threading.get_ident())
            self._end_if_unused()

    def _end_if_unused(self) -> None:
        if not self._threads and self._undo is not None:
            undo, self._undo = self._undo, None
            undo()

    @classmethod
    def forget_other_threads(cls) -> None:
        """Leave the contexts of all other threads, which do not exist in a forked process."""
        for each in cls._all:
            each._threads = [thread for thread in each._threads if thread == threading.get_ident()]
            each._end_if_unused()


def _in_child() -> None:
    Counted.forget_other_threads()
    LOCK.release()


# A process forked while another thread has the lock would wait for it forever.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=LOCK.acquire, after_in_parent=LOCK.release, after_in_child=_in_child)

"""Silences warnings and log records of one thread.

``warnings.catch_warnings`` exchanges the filters of the whole process: two threads in it that overlap leave the filters
of one of them in place.
"""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class _FromThisThread:
    """Stands for the pattern of a warning's message, and matches any message of the thread that created it."""

    pattern = ".*"  # what `warnings` shows of it

    def __init__(self) -> None:
        self._thread: int | None = threading.get_ident()

    def match(self, message: str) -> bool:
        return threading.get_ident() == self._thread

    def end(self) -> None:
        self._thread = None  # another thread in catch_warnings may have a copy of the filter, and restore it later


class _OtherThreads(logging.Filter):
    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        return record.thread != self._thread


@contextmanager
def quiet(*loggers: logging.Logger) -> Iterator[None]:
    """Ignore the warnings of this thread in the context, and its records of some loggers."""
    pattern, own = _FromThisThread(), _OtherThreads()
    entry: Any = ("ignore", pattern, Warning, None, 0)
    warnings.filters.insert(0, entry)  # type: ignore[attr-defined]
    for each in loggers:
        each.addFilter(own)
    try:
        yield
    finally:
        pattern.end()
        for each in loggers:
            each.removeFilter(own)
        if entry in warnings.filters:
            warnings.filters.remove(entry)  # type: ignore[attr-defined]

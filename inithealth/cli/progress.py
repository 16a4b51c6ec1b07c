"""Prints on stderr what is running, and how far it is, if it takes longer than two seconds."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from inithealth.cli.printing import noted, rewritten
from inithealth.report.plain import printable

_PATIENCE = 2.0  # seconds
_PAUSE = 30.0  # seconds between two lines in a file
_RATE = 0.1  # seconds between two changes of the line on a terminal


@contextmanager
def telling(what: str) -> Iterator[None]:
    timer = threading.Timer(_PATIENCE, noted, [f"inithealth: {what} ..."])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def live(what: str) -> Iterator[Callable[[str], None]]:
    """In the context, the function given prints how far something is.

    On a terminal one line is rewritten, and cleared at the end; otherwise a line is printed every 30 seconds at most.
    """
    on_terminal = _is_terminal()
    due = time.monotonic() + _PATIENCE
    width = 0  # of the line on the terminal

    def show(text: str) -> None:
        nonlocal due, width
        now = time.monotonic()
        if now < due:
            return
        line = f"inithealth: {what}: {text}"
        if on_terminal:
            line = printable(" ".join(line.split()))[: shutil.get_terminal_size().columns - 1]
            rewritten(line.ljust(width))
            due, width = now + _RATE, len(line)
        else:
            noted(line)
            due = now + _PAUSE

    try:
        yield show
    finally:
        if width:
            rewritten(" " * width)
            rewritten("")


def _is_terminal() -> bool:
    try:
        return sys.stderr is not None and sys.stderr.isatty()
    except ValueError:  # the stream is closed
        return False

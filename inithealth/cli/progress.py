"""Prints on stderr what is running, if it takes longer than two seconds."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from inithealth.cli.printing import noted

_PATIENCE = 2.0  # seconds


@contextmanager
def telling(what: str) -> Iterator[None]:
    timer = threading.Timer(_PATIENCE, noted, [f"inithealth: {what} ..."])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()

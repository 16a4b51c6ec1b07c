"""Prints on stderr what is running, if it takes longer than two seconds."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_PATIENCE = 2.0  # seconds


@contextmanager
def telling(what: str) -> Iterator[None]:
    timer = threading.Timer(_PATIENCE, lambda: print(f"inithealth: {what} ...", file=sys.stderr, flush=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()

"""Prints above progress bars, which are redrawn below the text."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO


@contextmanager
def above_bars(stream: TextIO) -> Iterator[None]:
    """Clear tqdm's bars in the context if the stream and the bars share a terminal.

    rich's bars replace ``sys.stderr`` by a proxy, so for them it is enough to write to it.
    """
    tqdm: Any = getattr(sys.modules.get("tqdm"), "tqdm", None)
    if tqdm is None:
        yield
        return
    with tqdm.external_write_mode(file=stream):
        yield

"""Printing above progress bars: each bar stays whole and is drawn again below what was printed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO


@contextmanager
def above_bars(stream: TextIO) -> Iterator[None]:
    """Within, the bars of tqdm are cleared where the stream and the bars share a terminal.

    Those of rich need no more than that the text is written to ``sys.stderr``, which they replace by a proxy.
    """
    tqdm: Any = getattr(sys.modules.get("tqdm"), "tqdm", None)
    if tqdm is None:
        yield
        return
    with tqdm.external_write_mode(file=stream):
        yield

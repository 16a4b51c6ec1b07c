"""Sixty architectures: an even selection from the healthy networks of the accuracy benchmark, and flex attention."""

from __future__ import annotations

from benchmarks.healthy import NETS
from benchmarks.nets import Net

from .flexible import FLEX

COUNT = 59


def nets() -> list[Net]:
    """Return the architectures. Networks of one family are adjacent in the list, so a stride covers many families."""
    return [*(NETS[place * len(NETS) // COUNT] for place in range(COUNT)), FLEX]

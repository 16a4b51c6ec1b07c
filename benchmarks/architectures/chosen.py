"""Sixty architectures of every kind: evenly over all healthy networks of the accuracy benchmark, and flex attention."""

from __future__ import annotations

from benchmarks.healthy import NETS
from benchmarks.nets import Net

from .flexible import FLEX

COUNT = 59


def nets() -> list[Net]:
    """Return the architectures; neighbors in the list are of one family, so that a stride takes many families."""
    return [*(NETS[place * len(NETS) // COUNT] for place in range(COUNT)), FLEX]

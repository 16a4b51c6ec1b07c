"""Selects the layers that are measured in a very deep network, to limit the time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

MOST = 512  # layers measured after the first step: twice as many make a watched step of small layers 5 % slower


def layer_subset(items: Sequence[T], most: int = MOST) -> Sequence[T]:
    """Return at most ``most`` items, evenly spaced, with a stride that avoids a repeating pattern."""
    return items if len(items) <= most else [items[place * len(items) // most] for place in range(most)]

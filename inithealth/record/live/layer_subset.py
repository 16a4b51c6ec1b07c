"""Which layers stand for all of them in a very deep network, where each costs its time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

MOST = 512  # layers that later steps look at: with twice as many a watched step of small layers takes 5 % longer


def layer_subset(items: Sequence[T], most: int = MOST) -> Sequence[T]:
    """At most so many, evenly over the depth; not in step with what repeats, unless it is as long as the stride."""
    return items if len(items) <= most else [items[place * len(items) // most] for place in range(most)]

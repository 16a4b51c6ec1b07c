"""The names under which the callbacks of one Trainer are saved in its checkpoints: they must differ."""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

_waiting: WeakSet[Any] = WeakSet()  # callbacks that no Trainer has used yet


def next_place(callback: Any) -> int:
    """Return 1 for a new callback, and higher numbers for those that are created before a Trainer uses the first one.

    It does not depend on callbacks of earlier Trainers, so that a run can be continued by another script.
    """
    _waiting.add(callback)
    return len(_waiting)


def used(callback: Any) -> None:
    """Note that a Trainer uses a callback, or that its name needs no number."""
    _waiting.discard(callback)

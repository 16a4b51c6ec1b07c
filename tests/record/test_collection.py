"""Garbage collection is paused and resumed."""

from __future__ import annotations

import gc
from contextlib import suppress

from inithealth.record.collection import collection_paused


def test_collection_is_restored_also_after_an_error() -> None:
    states = []
    with suppress(KeyError), collection_paused():
        states.append(gc.isenabled())
        raise KeyError
    states.append(gc.isenabled())
    gc.disable()
    with collection_paused():
        states.append(gc.isenabled())
    states.append(gc.isenabled())
    gc.enable()
    assert states == [False, True, False, False]

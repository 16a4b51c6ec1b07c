"""A change that several threads share is made once and undone by the last of them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress

import pytest

from inithealth.record.counted import LOCK, Counted


def counted() -> tuple[Counted, list[str]]:
    log: list[str] = []

    def change() -> Callable[[], None]:
        log.append("changed")
        return lambda: log.append("taken back")

    return Counted(change), log


def waiting_in(each: Counted) -> tuple[threading.Thread, threading.Event, threading.Event]:
    """Return a thread that waits in the context, whether it is inside, and the event that it waits for."""
    inside, left = threading.Event(), threading.Event()

    def wait() -> None:
        with each:
            inside.set()
            left.wait(20)

    return threading.Thread(target=wait), inside, left


def test_the_last_context_undoes_the_change() -> None:
    each, log = counted()
    with each:
        with each:
            assert log == ["changed"]
        assert log == ["changed"]
    assert log == ["changed", "taken back"]
    with suppress(KeyError), each:
        raise KeyError
    assert log == ["changed", "taken back"] * 2


def test_contexts_of_two_threads_may_end_in_any_order() -> None:
    each, log = counted()
    thread, inside, left = waiting_in(each)
    with each:
        thread.start()
        inside.wait(20)
        assert each.here
    assert not each.here
    assert log == ["changed"]
    left.set()
    thread.join()
    assert log == ["changed", "taken back"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*use of fork")
def test_a_forked_process_keeps_only_the_contexts_of_its_thread() -> None:
    each, log = counted()
    thread, inside, left = waiting_in(each)
    thread.start()
    inside.wait(20)
    child = os.fork()
    if child == 0:
        os._exit(0 if log == ["changed", "taken back"] and LOCK.acquire(timeout=5) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert log == ["changed"]
    left.set()
    thread.join()

"""Checks in several threads at once give the reports of checks one after the other.

Checks of different models run at the same time. Those that share a module, tensor or class with state take turns.
Random state belongs to the process: a check that ran at the same time as another, while one of them drew random
numbers, is repeated alone.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from torch import Tensor, nn

from inithealth.record.counted import LOCK
from inithealth.record.sandbox.ownership import owned_classes, packages
from inithealth.record.sandbox.random_state import RandomState, random_state

__tracebackhide__ = True  # pytest shows the line that calls `check`, not these

T = TypeVar("T")
_STATE = (int, float, complex, type(None), list, dict, set, deque, bytearray, Tensor, np.ndarray)


@dataclass(eq=False)
class Turn:
    """One running check.

    Attributes:
        disturbed: whether random numbers were drawn while another thread had a turn, so that this one must be repeated.
    """

    shared: frozenset[int]
    alone: bool
    random_state: RandomState
    thread: int = field(default_factory=threading.get_ident)
    disturbed: bool = False

    def rewind(self) -> None:
        """Restore random state to that before the turn."""
        with LOCK:
            if not self.random_state.current:
                _note_draws()
                self.random_state.restore()


_running: list[Turn] = []
_waiting_alone: list[int] = []  # threads


@contextmanager
def turn(shared: Collection[int] = (), *, alone: bool = False) -> Iterator[Turn]:
    """Wait until no other thread has a turn with the same objects, and restore random state on exit.

    Args:
        shared: ids of the objects that must not be used by two turns at once.
        alone: whether no other thread may have a turn. A turn within a turn of the same thread does not wait.
    """
    with LOCK:
        mine = _begun(frozenset(shared), alone)
    try:
        yield mine
    finally:
        with LOCK:
            try:
                _end(mine)
            finally:
                LOCK.notify_all()


def in_turn(call: Callable[[], T], shared: Collection[int] = ()) -> T:
    """Return the result of a call in a turn; the call is repeated alone if random numbers disturbed it."""
    with turn(shared) as mine:
        result = call()
    if mine.disturbed:
        with turn(shared, alone=True):
            result = call()
    return result


def rewinder() -> Callable[[], None]:
    """Return a function that restores random state to that before this thread's turn; outside one, to that of now."""
    mine = _current()
    return random_state() if mine is None else mine.rewind


def shared_objects(model: nn.Module, loss: Any, optimizers: Iterable[Any]) -> frozenset[int]:
    """Return the ids of what another check must not use at the same time: modules, tensors and classes with state."""
    modules = list(model.modules())
    own = packages(modules)
    kinds = {base for kind in set(map(type, modules)) for base in owned_classes(kind, own)}
    tensors = [each for part in (model, loss) if isinstance(part, nn.Module) for each in _tensors(part)]
    return frozenset(map(id, [*modules, *filter(_has_state, kinds), *tensors, *optimizers]))


def _tensors(module: nn.Module) -> Iterator[Tensor]:
    yield from module.parameters()
    yield from module.buffers()


def _has_state(kind: type) -> bool:
    """Return whether a class has attributes that a forward pass may change, such as a counter or a cache."""
    return any(issubclass(type(value), _STATE) for name, value in vars(kind).items() if not name.startswith("__"))


def _current() -> Turn | None:
    """Return the innermost turn of this thread."""
    thread = threading.get_ident()
    return next((each for each in reversed(_running) if each.thread == thread), None)


def _begun(shared: frozenset[int], alone: bool) -> Turn:
    nested = _current() is not None
    if not nested:
        _wait(shared, alone)
    # The turns of several threads begin with the same random state, whatever the others have drawn.
    state = RandomState() if nested or not _running else _running[0].random_state
    mine = Turn(shared, alone, state)
    _running.append(mine)
    try:
        if not state.current:
            mine.rewind()
    except BaseException:
        _running.remove(mine)
        raise
    return mine


def _wait(shared: frozenset[int], alone: bool) -> None:
    me = threading.get_ident()
    if alone:
        _waiting_alone.append(me)
    try:
        LOCK.wait_for(lambda: _admitted(me, shared, alone))
    finally:
        if alone:
            _waiting_alone.remove(me)


def _admitted(me: int, shared: frozenset[int], alone: bool) -> bool:
    if alone:
        return not _running and _waiting_alone[0] == me
    return not _waiting_alone and not any(each.alone or each.shared & shared for each in _running)


def _end(mine: Turn) -> None:
    try:
        current = mine.random_state.current
        if not current:
            _note_draws()
    finally:
        _running.remove(mine)
    others = any(each.random_state is mine.random_state for each in _running)
    if not current and not others:
        mine.random_state.restore()


def _note_draws() -> None:
    if len({each.thread for each in _running}) > 1:
        for each in _running:
            each.disturbed = True


def _in_child() -> None:
    """Forget the turns of other threads, which do not exist in a forked process."""
    _running[:] = [each for each in _running if each.thread == threading.get_ident()]
    _waiting_alone.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)

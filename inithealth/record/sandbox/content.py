"""The content of one object: what it refers to, and how to restore that in place.

Each function returns the objects inside and a function that restores the content. Methods of the built-in classes are
called by the class, because subclasses override them.
"""

from __future__ import annotations

import array
import functools
import io
import random
import sys
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from itertools import zip_longest
from types import BuiltinMethodType, MethodType
from typing import Any, NamedTuple

import numpy as np
import torch

from inithealth.call import Call
from inithealth.record.quiet import quiet

Items = Iterable[tuple[Any, Any]]
_STREAMS = ("stdin", "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__")


class Content(NamedTuple):
    """What an object refers to by key, how to restore it, and how to exchange an item by its key."""

    items: Items
    restore: Callable[[], None] | None = None
    exchange: Callable[[Any, Any], None] | None = None


def content(value: Any) -> Content | None:
    """Return the content of a container, an array, a random generator or a readable file; None for other objects."""
    for kinds, keep in _KEEPERS:
        if issubclass(type(value), kinds):  # `isinstance` would run the code of proxies
            return keep(value)
    return None


def identical(live: Iterable[Any], before: Iterable[Any]) -> bool:
    """Return whether two collections have the identical items in the same order. Nothing is compared with ==."""
    missing = object()
    return all(one is other for one, other in zip_longest(live, before, fillvalue=missing))


def _mapping(live: dict[Any, Any]) -> Content:
    kind: Any = OrderedDict if isinstance(live, OrderedDict) else dict
    before = dict(kind.items(live))
    factory = live.default_factory if isinstance(live, defaultdict) else None

    def restore() -> None:
        if isinstance(live, defaultdict) and live.default_factory is not factory:
            live.default_factory = factory
        if not (identical(kind.keys(live), before) and identical(kind.values(live), before.values())):
            kind.clear(live)
            for key, value in before.items():
                kind.__setitem__(live, key, value)

    return Content(before.items(), restore, functools.partial(kind.__setitem__, live))


def _list(live: list[Any]) -> Content:
    before = list.copy(live)

    def restore() -> None:
        if not identical(list.__iter__(live), before):
            list.__setitem__(live, slice(None), before)

    return Content(enumerate(before), restore, functools.partial(list.__setitem__, live))


def _deque(live: deque[Any]) -> Content:
    before = list(live)

    def restore() -> None:
        if not identical(deque.__iter__(live), before):
            deque.clear(live)
            deque.extend(live, before)

    return Content(enumerate(before), restore, functools.partial(deque.__setitem__, live))


def _set(live: set[Any]) -> Content:
    before = set.copy(live)

    def restore() -> None:
        if set(map(id, live)) != set(map(id, before)):
            set.clear(live)
            set.update(live, before)

    return Content(enumerate(before), restore)


def _immutable(value: Iterable[Any]) -> Content:
    return Content(enumerate(value))


def _bytes(live: bytearray | array.array[Any]) -> Content:
    before = live[:]

    def restore() -> None:
        if live != before or bytes(live) != bytes(before):  # NaN is not equal to itself
            live[:] = before  # type: ignore[assignment]

    return Content((), restore)


def _array(live: np.ndarray[Any, Any]) -> Content:
    before = live.copy(order="K") if live.flags.writeable else live.view()
    layout, changeable = _layout(live), live.flags.writeable

    def restore() -> None:
        if live.flags.writeable != changeable:
            live.flags.writeable = changeable
        if _layout(live) != layout:
            with quiet():  # numpy warns about setting these attributes
                live.dtype = before.dtype  # type: ignore[misc]
                if live.size != before.size:
                    live.resize(before.shape, refcheck=False)
                live.shape = before.shape
                if live.strides != layout[-1]:
                    live.strides = layout[-1]
        if changeable:
            live[...] = before

    return Content(enumerate(before.ravel().tolist()) if live.dtype.hasobject else (), restore)


def _layout(array: np.ndarray[Any, Any]) -> tuple[np.dtype[Any], tuple[int, ...], tuple[int, ...]]:
    return array.dtype, array.shape, array.strides


def _python_random(live: random.Random) -> Content:
    if isinstance(live, random.SystemRandom):  # it has no state
        return Content(())
    return Content((), functools.partial(live.setstate, live.getstate()))


def _numpy_random(live: np.random.Generator | np.random.RandomState | np.random.BitGenerator) -> Content:
    if isinstance(live, np.random.RandomState):
        return Content((), functools.partial(live.set_state, live.get_state(legacy=False)))
    source: Any = live.bit_generator if isinstance(live, np.random.Generator) else live
    return Content((), functools.partial(setattr, source, "state", source.state))


def _torch_random(live: torch.Generator) -> Content:
    return Content((), _call(live.set_state, live.get_state()))


def _memory_file(live: io.BytesIO | io.StringIO) -> Content:
    if live.closed:
        return Content(())
    before, place = live.getvalue(), live.tell()

    def restore() -> None:
        if live.getvalue() != before:
            live.seek(0)
            live.truncate()
            live.write(before)  # type: ignore[arg-type]
        live.seek(place)

    return Content((), restore)


def _file(live: io.IOBase) -> Content:
    """Restore the position of a file that is read. What is written to a file is output, and stays."""
    standard = any(live is getattr(sys, name, None) for name in _STREAMS)
    if standard or live.closed or live.writable() or not live.seekable():
        return Content(())
    return Content((), _call(live.seek, live.tell()))


def _call(write: Callable[[Any], Any], state: Any) -> Callable[[], None]:
    return lambda: write(state)


def _partial(value: functools.partial[Any]) -> Content:
    return Content((("func", value.func), ("args", value.args), ("keywords", value.keywords)))


def _call_of(value: Call) -> Content:
    return Content([*enumerate(value.args), *value.kwargs.items()])


def _method(value: MethodType | BuiltinMethodType) -> Content:
    return Content((("__self__", value.__self__),))


_KEEPERS: tuple[tuple[Any, Callable[[Any], Content]], ...] = (
    (dict, _mapping),
    (list, _list),
    ((tuple, frozenset), _immutable),
    (set, _set),
    (deque, _deque),
    (np.ndarray, _array),
    ((bytearray, array.array), _bytes),
    (torch.Generator, _torch_random),
    (random.Random, _python_random),
    ((np.random.Generator, np.random.RandomState, np.random.BitGenerator), _numpy_random),
    ((io.BytesIO, io.StringIO), _memory_file),
    (io.IOBase, _file),
    (functools.partial, _partial),
    (Call, _call_of),
    ((MethodType, BuiltinMethodType), _method),
)

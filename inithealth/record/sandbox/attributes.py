"""The attributes of one object or class, and how to restore them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from types import MemberDescriptorType
from typing import Any

from inithealth.record.sandbox.content import Content, identical

_UNSET = object()


def attributes(value: Any) -> Iterator[Content]:
    """Yield the attributes of an object: those in its ``__dict__``, and those in the slots of its classes."""
    held = _dict(value)
    if held is not None:
        yield Content(list(held.items()), _dict_restorer(held), held.__setitem__)
    slots = dict(_slots(value))
    if slots:
        yield Content([(name, item) for name, (_, item) in slots.items()], _slots_restorer(value, slots))


def class_attributes(kind: type) -> Content:
    """Return the attributes of a class, without those of Python itself such as ``__module__``."""
    before = {name: item for name, item in vars(kind).items() if not _is_special(name)}

    def restore() -> None:
        live = {name: item for name, item in vars(kind).items() if not _is_special(name)}
        for name in live.keys() - before.keys():
            type.__delattr__(kind, name)
        for name, item in before.items():
            if live.get(name, _UNSET) is not item:
                type.__setattr__(kind, name, item)

    return Content(before.items(), restore, partial(type.__setattr__, kind))


def class_restorer(value: Any) -> Callable[[], None]:
    """Return a function that restores the class of an object: a lazy module changes its own in its first forward."""
    kind = type(value)

    def restore() -> None:
        if type(value) is not kind:
            value.__class__ = kind

    return restore


def _dict(value: Any) -> dict[str, Any] | None:
    try:
        held = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return None
    return held if isinstance(held, dict) else None


def _dict_restorer(live: dict[str, Any]) -> Callable[[], None]:
    before = dict(live)

    def restore() -> None:
        if identical(live, before) and identical(live.values(), before.values()):
            return
        # Item by item: another thread that reads an unchanged attribute must find it at any time.
        for name in live.keys() - before.keys():
            del live[name]
        live.update(before)
        if list(live) != list(before):  # an attribute that was deleted and set again
            live.clear()
            live.update(before)

    return restore


def _slots(value: Any) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Yield each slot by name with its descriptor and its value."""
    for kind in type(value).__mro__:
        if "__slots__" in vars(kind):
            for name, slot in vars(kind).items():
                if isinstance(slot, MemberDescriptorType):
                    yield f"{kind.__qualname__}.{name}", (slot, _read(slot, value))


def _read(slot: Any, value: Any) -> Any:
    try:
        return slot.__get__(value, type(value))
    except AttributeError:
        return _UNSET


def _slots_restorer(value: Any, slots: dict[str, tuple[Any, Any]]) -> Callable[[], None]:
    def restore() -> None:
        for slot, before in slots.values():
            live = _read(slot, value)
            if live is before:
                continue
            if before is _UNSET:
                slot.__delete__(value)
            else:
                slot.__set__(value, before)

    return restore


def _is_special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")

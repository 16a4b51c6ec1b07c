"""Iterators cannot be rewound: the model gets copies of them, or is rejected."""

from __future__ import annotations

import io
from collections.abc import Iterator
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

from inithealth.record.quiet import quiet

_NEVER = (GeneratorType, CoroutineType, AsyncGeneratorType)
_COPIED = ("builtins", "itertools", "_collections")


def is_iterator(value: Any) -> bool:
    """Return whether its use changes it, in a way that only a copy taken before can undo."""
    kind = type(value)
    return issubclass(kind, _NEVER) or (issubclass(kind, Iterator) and not issubclass(kind, io.IOBase))


def copied(iterator: Any) -> Any:
    """Return an iterator that yields what this one would, and that leaves this one as it is.

    The objects that it yields are not copied.

    Raises:
        TypeError: it cannot be copied.
    """
    if isinstance(iterator, _NEVER) or type(iterator).__module__ not in _COPIED:
        raise TypeError(f"a {type(iterator).__name__} cannot be copied")
    with quiet():  # copying an itertools object is deprecated
        create, arguments, *state = iterator.__reduce__()
    made = create(*(copied(each) if is_iterator(each) else each for each in arguments))
    if state and state[0] is not None:
        held = state[0]  # of a cycle, with the list to which it appends what it has seen
        made.__setstate__(tuple(list(e) if type(e) is list else e for e in held) if isinstance(held, tuple) else held)
    return made

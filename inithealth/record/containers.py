"""Walks the containers of batches and outputs, which may contain themselves, raise, or have any depth and size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from inithealth.call import Call

_DEEPEST = 64  # containers inside each other; those of batches and outputs are less than ten
_MOST = 10_000  # objects that are looked at: this takes some milliseconds
_PLAIN = frozenset({int, float, str, bool, bytes, type(None)})
_MOST_ITEMS = 1_000  # of one container, so that a long list of numbers does not hide the tensors after it


def tensors_in(value: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors in nested tuples, lists, mappings and dataclasses, with names such as ``batch[0].image``.

    Items that raise when they are read are left out, and so are those beyond the limits of this module.
    """
    waiting, seen, looked = [iter([(name, value)])], dict[int, Any](), 0
    while waiting and looked < _MOST:
        place, item = next(waiting[-1], ("", waiting))
        if item is waiting:  # no more items
            waiting.pop()
        elif isinstance(item, Tensor):
            yield place, item
        elif id(item) not in seen and len(waiting) <= _DEEPEST:
            seen[id(item)] = item  # kept, so that no other object gets its address
            waiting.append(_items(item, place))
        looked += 1


def _items(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield the items of a container by name; nothing for other objects."""
    try:
        readers = _readers(value)
        for _ in range(_MOST_ITEMS):
            suffix, key, read = next(readers)
            found = _read(suffix, key, read)
            if found is not None:
                yield name + found[0], found[1]
    except Exception:  # the container itself cannot be iterated
        return


def _read(form: str, key: Any, read: Callable[[Any], Any]) -> tuple[str, Any] | None:
    """Return the last part of an item's name, and the item.

    None if that raises: a lazy mapping without the labels, an unset field, a key without a text, an unreadable class.
    """
    try:
        item = read(key)
        isinstance(item, Tensor)  # raises if the object does not let its class be read
        return form.format(key), item
    except Exception:
        return None


def _readers(value: Any) -> Iterator[tuple[str, Any, Callable[[Any], Any]]]:
    """Yield the format of the name, the key, and the function that reads it, for each item of a container."""
    if isinstance(value, Call):
        if len(value.args) == 1:
            yield "", 0, value.args.__getitem__
        else:
            yield from (("[{}]", place, value.args.__getitem__) for place in range(len(value.args)))
        yield from (("[{!r}]", key, value.kwargs.__getitem__) for key in value.kwargs)
    elif isinstance(value, Mapping):
        yield from (("[{!r}]", key, value.__getitem__) for key in value)
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        yield from ((".{}", field, value.__getattribute__) for field in value._fields)
    elif isinstance(value, (tuple, list)):
        yield from (("[{}]", place, value.__getitem__) for place in range(len(value)))
    elif is_dataclass(value) and not isinstance(value, type):
        yield from ((".{}", field.name, value.__getattribute__) for field in fields(value))


def _is_readable(value: Any) -> bool:
    """Return whether an object lets its class be read, and a mapping its keys."""
    try:
        return not isinstance(value, Mapping) or iter(value) is not None
    except Exception:
        return False


def transferred(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Return a batch with a function applied to its tensors, in containers of the same type; other objects are kept.

    Items that raise when they are read are kept as they are, and so is what is nested too deeply.
    """
    return _Transfer(change).of(value)


class _Transfer:
    """Transfers one batch. What is in it several times, or contains itself, stays one object."""

    def __init__(self, change: Callable[[Tensor], Tensor]) -> None:
        self._change, self._depth = change, 0
        # By the address of a container: the container, which keeps its address in use, and its transferred copy.
        self._made: dict[int, tuple[Any, Any]] = {}

    def of(self, value: Any) -> Any:
        if type(value) in _PLAIN or not _is_readable(value):
            return value
        if isinstance(value, Tensor):
            return self._change(value)
        if id(value) in self._made or self._depth >= _DEEPEST:
            return self._made.get(id(value), (value, value))[1]
        self._depth += 1
        self._made[id(value)] = value, value
        try:
            return self._keep(value, self._container(value))
        finally:
            self._depth -= 1

    def _keep(self, value: Any, made: Any) -> Any:
        self._made[id(value)] = value, made
        return made

    def _container(self, value: Any) -> Any:
        if isinstance(value, Call):
            return Call(*self.of(value.args), **self.of(value.kwargs))
        if isinstance(value, PackedSequence):  # its batch sizes must stay on the CPU
            kept = {"batch_sizes": value.batch_sizes}
            return value._replace(**{**{k: self.of(v) for k, v in value._asdict().items()}, **kept})
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return type(value)(*(self.of(item) for item in value))
        if type(value) is tuple:
            return tuple(self.of(item) for item in value)
        if type(value) is list:
            made = self._keep(value, [])
            made += [self.of(item) for item in value]
            return made
        if isinstance(value, Mapping) and hasattr(value, "copy"):  # keeps the class of a BatchEncoding
            changed = self._keep(value, value.copy())
            self._fill(changed.__setitem__, value.__getitem__, list(value))
            return changed
        if is_dataclass(value) and not isinstance(value, type):
            changed = self._keep(value, copy(value))
            names = [field.name for field in fields(value)]
            self._fill(lambda name, item: object.__setattr__(changed, name, item), value.__getattribute__, names)
            return changed
        return value

    def _fill(self, write: Callable[[Any, Any], None], read: Callable[[Any], Any], keys: list[Any]) -> None:
        for key in keys:
            found = _read("", key, read)
            if found is not None:
                write(key, self.of(found[1]))

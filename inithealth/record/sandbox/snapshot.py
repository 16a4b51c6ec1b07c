"""A snapshot of everything that a model holds, to restore it bit for bit."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import FunctionType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from inithealth.call import Call
from inithealth.record.sandbox.attributes import attributes, class_attributes, class_restorer
from inithealth.record.sandbox.content import Content, content
from inithealth.record.sandbox.iterators import copied, is_iterator
from inithealth.record.sandbox.ownership import owned, owned_classes, packages
from inithealth.record.sandbox.restoring import Failure, Restorers
from inithealth.record.sandbox.storages import Storages
from inithealth.record.sandbox.tensor_state import components, is_strided, restorer

__tracebackhide__ = True  # pytest shows the line that calls `check`, not these

Path = tuple[Any, str]  # the path of the holder, and what leads from it to the object
_PLAIN = frozenset({bool, int, float, complex, str, bytes, type(None), type, FunctionType, ModuleType, torch.dtype})
_REGISTRY = re.compile(r"\._(?:parameters|buffers|modules)\['([^']*)'\]")
_OFTEN_EMPTY = frozenset({dict, OrderedDict, list, set})


class Snapshot:
    """The state of some objects and of everything that they hold.

    Args:
        roots: by name; a model, a batch, an optimizer.
        known: objects that are left out, because another snapshot has them.

    Raises:
        TypeError: an object could be changed and not restored. Nothing has been changed then.
    """

    def __init__(self, roots: dict[str, Any], known: Iterable[Any] = ()) -> None:
        self._seen: dict[int, Any] = {id(each): each for each in known}  # kept alive, so that no other gets the id
        self._own = packages(part for root in roots.values() for part in _parts(root))
        self._is_owned: dict[type, bool] = {}
        self._structure = Restorers()
        self._tensors = Restorers()
        self._storages = Storages()
        self._copies: dict[int, Any] = {}
        self._exchanges: list[Callable[[], None]] = []
        self._waiting: list[tuple[Any, Path]] = [(root, ((), name)) for name, root in roots.items()]
        with torch._C.DisableTorchFunctionSubclass():
            while self._waiting:
                self._visit(*self._waiting.pop())
            self._bytes = Restorers((((), "memory"), each) for each in self._storages.copy())
        for exchange in self._exchanges:
            exchange()

    def restore(self) -> list[Failure]:
        """Restore everything; return what could not be restored, by name, and the errors."""
        with torch._C.DisableTorchFunctionSubclass(), torch.no_grad():
            failures = [*self._structure.run(), *self._bytes.run(), *self._tensors.run()]
        return [(named(path), error) for path, error in failures]

    def _visit(self, value: Any, path: Path) -> None:
        kind = type(value)
        if id(value) in self._seen or kind in _PLAIN:
            return
        self._seen[id(value)] = value
        if issubclass(kind, torch.jit.ScriptModule):  # `isinstance` would run the code of proxies
            self._script(value, path)
            return
        if issubclass(kind, Tensor):
            self._tensor(value, path)
        else:
            held = content(value)
            if held is not None:
                self._hold(held, path, "[{!r}]")
        if issubclass(kind, (nn.Module, Tensor)) or self._owned(kind):
            self._object(value, path)

    def _owned(self, kind: type) -> bool:
        if kind not in self._is_owned:
            self._is_owned[kind] = owned(kind, self._own)
        return self._is_owned[kind]

    def _object(self, value: Any, path: Path) -> None:
        for held in attributes(value):
            self._hold(held, path, ".{}")
        if not issubclass(type(value), Tensor):
            self._structure.add(path, class_restorer(value))
        for kind in owned_classes(type(value), self._own):
            if id(kind) not in self._seen:
                self._seen[id(kind)] = kind
                self._hold(class_attributes(kind), ((), kind.__name__), ".{}")

    def _hold(self, held: Content, path: Path, step: str) -> None:
        """Note how to restore an object's content, and visit what it holds."""
        if held.restore is not None:
            self._structure.add(path, held.restore)
        for key, item in held.items:
            kind = type(item)
            if kind in _PLAIN:
                continue
            if kind in _OFTEN_EMPTY and not item:  # as most registries of modules are
                self._structure.add(path, item.clear)
            elif is_iterator(item) and not (issubclass(kind, (nn.Module, Tensor)) or self._owned(kind)):
                self._exchange(held, key, item, (path, _step(step, key)))
            elif id(item) not in self._seen:
                self._waiting.append((item, (path, _step(step, key))))

    def _exchange(self, held: Content, key: Any, iterator: Any, path: Path) -> None:
        """Give the model a copy of an iterator."""
        try:
            if held.exchange is None:
                raise TypeError("its container cannot be changed")
            copy = self._copies[id(iterator)] if id(iterator) in self._copies else copied(iterator)
        except Exception as error:
            raise TypeError(
                f"{named(path)} is a {type(iterator).__name__}, which the model may advance and nothing can restore "
                f"({error}): create it in the forward pass, or remove it for the check"
            ) from error
        self._copies[id(iterator)], self._seen[id(iterator)] = copy, iterator
        exchange = held.exchange
        self._exchanges.append(lambda: exchange(key, copy))

    def _tensor(self, tensor: Tensor, path: Path) -> None:
        try:
            self._tensors.add(path, restorer(tensor))
            if is_strided(tensor) and tensor.layout == torch.strided:
                self._storages.add(tensor)
            self._waiting.extend((each, (path, f".{name}")) for name, each in components(tensor))
        except Exception as error:
            raise TypeError(f"{named(path)} is a tensor that cannot be restored ({error})") from error
        for name in ("_backward_hooks", "_post_accumulate_grad_hooks"):
            self._waiting.append((getattr(tensor, name, None), (path, f".{name}")))

    def _script(self, module: torch.jit.ScriptModule, path: Path) -> None:
        """Note the modes and tensors of a scripted module, whose other attributes are in C++."""
        for part in module.modules():
            self._structure.add(path, partial(setattr, part, "training", part.training))
        self._waiting.extend((each, path) for each in (*module.parameters(), *module.buffers()))


def named(path: Path) -> str:
    """Return the name of an object in a model: ``model.blocks[0].cache``."""
    steps = []
    while path:
        path, step = path
        steps.append(step)
    return _REGISTRY.sub(r".\1", "".join(reversed(steps)))


def _step(form: str, key: Any) -> str:
    """Return the step of a path to an item; a key may have no text."""
    try:
        return form.format(key)
    except Exception:
        return f"[a {type(key).__name__}]"


def _parts(root: Any, depth: int = 3) -> Iterator[Any]:
    """Yield the objects whose classes are the root's own: the modules of a model, the items of a batch."""
    yield root
    kind = type(root)  # an object may not let its class be read
    if issubclass(kind, nn.Module):
        yield from root.modules()
    elif issubclass(kind, (Call, dict, list, tuple)) and depth:
        held = content(root)
        for _, item in held.items if held is not None else ():
            yield from _parts(item, depth - 1)

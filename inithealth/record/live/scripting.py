"""Removes the hooks of this package while ``torch.jit.script`` compiles a model, because it compiles hooks too."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from weakref import WeakSet

from torch import nn
from torch.jit import _recursive

from inithealth.record.live.picklable_hook import NotCopied

_lock = threading.Lock()
_holders: WeakSet[Any] = WeakSet()  # objects that have attached hooks
_original: Callable[..., Any] = _recursive.create_script_module


def hold(holder: Any) -> None:
    """Let the compiler ignore hooks until the holder is released or deleted."""
    with _lock:
        _holders.add(holder)
        if _recursive.create_script_module is _original:
            _recursive.create_script_module = _create_script_module


def release(holder: Any) -> None:
    """Restore torch's function after the last holder."""
    with _lock:
        _holders.discard(holder)
        if not _holders and _recursive.create_script_module is _create_script_module:
            _recursive.create_script_module = _original


def _create_script_module(nn_module: nn.Module, *args: Any, **kwargs: Any) -> Any:
    with _without_hooks(nn_module):
        return _original(nn_module, *args, **kwargs)


@contextmanager
def _without_hooks(model: nn.Module) -> Iterator[None]:
    taken: list[tuple[Any, list[Any], dict[Any, Any]]] = []  # hooks of a module, their order, and those of this package
    for module in nn.Module.modules(model):
        for hooks in (module._forward_hooks, module._forward_pre_hooks):
            own = {key: hook for key, hook in hooks.items() if _is_own(hook)}
            if own:
                taken.append((hooks, list(hooks), own))
    for hooks, _, own in taken:
        for key in own:
            del hooks[key]
    try:
        yield
    finally:
        for hooks, order, own in taken:
            hooks.update(own)
            for key in order:
                if key in hooks:
                    hooks.move_to_end(key)


def _is_own(hook: Any) -> bool:
    """Return whether a hook is one of this package, or what it is in a copy of the model."""
    return isinstance(hook, NotCopied) or getattr(hook, "__func__", None) is nullcontext.__exit__

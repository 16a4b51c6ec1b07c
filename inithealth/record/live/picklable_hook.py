"""Hooks that stay where they are: a module that is copied or saved while it is watched takes none of them along."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from torch import nn


class LeftBehind:
    """In a copy, and in a file, stands what the standard library has for doing nothing with any arguments.

    Else a saved model could not be loaded without this package, or not be saved at all, and a copy would be taken
    for the model itself.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (nullcontext(), "__exit__")

    def __deepcopy__(self, memo: dict[int, Any]) -> Callable[..., None]:
        return nullcontext().__exit__


def call_hooks(module: nn.Module, before: Callable[..., None], after: Callable[..., None]) -> list[Any]:
    """Call two functions around each call of a module; returns the handles that remove them."""
    # In a module whose own call is compiled, what these do in Python would break its graph.
    if getattr(module, "_compiled_call_impl", None) is not None:
        return []
    return [
        module.register_forward_pre_hook(Hook(before), with_kwargs=True),
        module.register_forward_hook(Hook(after)),
    ]


class Hook(LeftBehind):
    """Calls a function."""

    def __init__(self, call: Callable[..., None]) -> None:
        self._call = call

    def __call__(self, *args: Any) -> None:
        self._call(*args)

"""Hooks that are not copied or saved with their module."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from torch import nn


class NotCopied:
    """Copies and pickles contain a function of the standard library that does nothing, instead of the hook.

    Otherwise loading a saved model would need this package, saving it could fail, and a copy would be measured as if
    it were the model.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (nullcontext(), "__exit__")

    def __deepcopy__(self, memo: dict[int, Any]) -> Callable[..., None]:
        return nullcontext().__exit__


def call_hooks(module: nn.Module, before: Callable[..., None], after: Callable[..., None]) -> list[Any]:
    """Call two functions before and after each call of a module; return the handles that remove them."""
    # Python code in the hooks of a compiled module would break its graph.
    if getattr(module, "_compiled_call_impl", None) is not None:
        return []
    return [
        module.register_forward_pre_hook(Hook(before), with_kwargs=True),
        module.register_forward_hook(Hook(after)),
    ]


class Hook(NotCopied):
    """Calls a function."""

    def __init__(self, call: Callable[..., None]) -> None:
        self._call = call

    def __call__(self, *args: Any) -> None:
        self._call(*args)

"""Hooks that are not copied or saved with their module."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import nn

from inithealth.record.live.guarded import Guard


class NotCopied:
    """Copies and pickles contain a function of the standard library that does nothing, instead of the hook.

    Otherwise loading a saved model would need this package, saving it could fail, and a copy would be measured as if
    it were the model.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (nullcontext(), "__exit__")

    def __deepcopy__(self, memo: dict[int, Any]) -> Callable[..., None]:
        return nullcontext().__exit__


def call_hooks(guard: Guard, module: nn.Module, before: Callable[..., None], after: Callable[..., None]) -> list[Any]:
    """Call two functions before and after each call of a module; return the handles that remove them."""
    # Python code in the hooks of a compiled module would break its graph.
    if getattr(module, "_compiled_call_impl", None) is not None:
        return []
    return [
        module.register_forward_pre_hook(Hook(guard, before), with_kwargs=True),
        module.register_forward_hook(Hook(guard, after)),
    ]


class Hook(NotCopied):
    """Lets a guard call a function.

    Args:
        what: the place of an error in the function.
    """

    def __init__(self, guard: Guard, call: Callable[..., None], what: str = "") -> None:
        self._guard, self._call, self._what = guard, call, what

    def __call__(self, *args: Any) -> None:
        if torch.compiler.is_compiling():  # a constant for the compiler: nothing of this hook is in its graph
            return
        self._guard.run(self._call, args, what=self._what)

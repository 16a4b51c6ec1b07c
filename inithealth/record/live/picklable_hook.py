"""Hooks that stay where they are: a module that is copied or saved while it is watched takes none of them along."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any


class LeftBehind:
    """In a copy, and in a file, stands what the standard library has for doing nothing with any arguments.

    Else a saved model could not be loaded without this package, or not be saved at all, and a copy would be taken
    for the model itself.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (nullcontext(), "__exit__")

    def __deepcopy__(self, memo: dict[int, Any]) -> Callable[..., None]:
        return nullcontext().__exit__


class Hook(LeftBehind):
    """Calls a function."""

    def __init__(self, call: Callable[..., None]) -> None:
        self._call = call

    def __call__(self, *args: Any) -> None:
        self._call(*args)

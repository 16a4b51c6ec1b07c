"""What could not be measured, and why: what watches a network must not end its run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Failures(dict[str, str]):
    """What could not be measured -> why; the first reason counts."""

    def note(self, what: str, error: Exception) -> None:
        """Note an error."""
        self.setdefault(what or "model", f"{type(error).__name__}: {error}")

    def guard(self, what: str, call: Callable[..., None], *args: Any) -> None:
        """Call a function, and note the error that it raises."""
        try:
            call(*args)
        except Exception as error:
            self.note(what, error)

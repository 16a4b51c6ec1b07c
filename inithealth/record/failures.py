"""Failed measurements and their reasons. An error of the recorder must not end the training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Failures(dict[str, str]):
    """What could not be measured -> why; the first reason is kept."""

    def note(self, what: str, error: Exception) -> None:
        """Record an error as the reason."""
        self.setdefault(what or "model", f"{type(error).__name__}: {error}")

    def guard(self, what: str, call: Callable[..., None], *args: Any) -> None:
        """Call a function and record the error that it raises, if any."""
        try:
            call(*args)
        except Exception as error:
            self.note(what, error)

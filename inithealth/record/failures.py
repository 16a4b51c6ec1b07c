"""Failed measurements and their reasons. An error of the recorder must not end the training."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from textwrap import shorten
from traceback import walk_tb
from types import CodeType
from typing import Any

_MOST = 100  # errors that are kept: a run in which every step fails must not fill the memory
_LENGTH = 200  # characters of a reason; some libraries put whole tensors and advice into their messages
_PACKAGE = Path(__file__).parents[1]
_INTERNAL = (ArithmeticError, LookupError, AttributeError, AssertionError, NameError)  # never raised intentionally here


class Failures(dict[str, str]):
    """What could not be measured -> why; the first reason is kept."""

    errors = 0  # how many of them are errors that were raised, rather than known limits

    def note(self, what: str, error: BaseException) -> bool:
        """Record an error as the reason, and return whether it is new.

        Raises:
            BaseException: `error` itself, if it belongs to the user: see :func:`is_of_user`.
        """
        if is_of_user(error):
            raise error
        what = what or "model"
        if what in self or self.errors >= _MOST:
            return False
        self[what] = described(error)
        self.errors += 1
        return True

    def add(self, other: Failures) -> None:
        """Add the failures of another part of the run."""
        self.errors += sum(what not in self for what in other) if other.errors else 0
        self.update({what: why for what, why in other.items() if what not in self})

    def guard(self, what: str, call: Callable[..., None], *args: Any) -> None:
        """Call a function and record the error that it raises, if any."""
        try:
            call(*args)
        except Exception as error:
            self.note(what, error)


def lines(failures: Mapping[str, str]) -> tuple[str, ...]:
    """Return failures as lines of a report: ``"what: why"``."""
    return tuple(f"{what}: {why}" for what, why in failures.items())


def is_of_user(error: BaseException) -> bool:
    """Return whether the user or a signal handler caused an error that was raised here by chance."""
    if isinstance(error, KeyboardInterrupt):
        return True
    handlers = set(_handlers())
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code in handlers:
            return True
        trace = trace.tb_next
    return False


def _handlers() -> Iterator[CodeType]:
    """Yield the code of the signal handlers that are written in Python."""
    for number in signal.valid_signals():
        handler = signal.getsignal(number)
        handler = getattr(handler, "func", handler)  # of a partial
        code = getattr(handler, "__code__", None) or getattr(type(handler).__call__, "__code__", None)
        if isinstance(code, CodeType):
            yield code


def described(error: BaseException) -> str:
    """Return the type and the start of the message in one line; an error in this package is identified as one."""
    try:
        message = str(error)
    except Exception as second:
        message = f"its message raised {type(second).__name__}"
    message = shorten(message.split("Hint:")[0], _LENGTH, placeholder=" …")
    whose = "an error in inithealth, please report it: " if _is_ours(error) else ""
    return f"{whose}{type(error).__name__}: {message}"


def _is_ours(error: BaseException) -> bool:
    """Return whether the code of this package raised an error that it never raises intentionally."""
    if not isinstance(error, _INTERNAL) or error.__traceback__ is None:
        return False
    *_, (frame, _) = walk_tb(error.__traceback__)
    return Path(frame.f_code.co_filename).is_relative_to(_PACKAGE)

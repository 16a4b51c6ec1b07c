"""Prints to the standard streams, whatever they are: full, closed, or of an encoding that lacks a character."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any, TextIO

from inithealth.report.plain import printable


class OutputError(Exception):
    """A result cannot be printed; the message says why."""


def shown(text: str) -> None:
    """Print a result. A closed pipe, as with ``| head``, is not an error.

    Raises:
        OutputError: the disk is full, or the stream is closed.
    """
    try:
        _write(sys.stdout, f"{text}\n")
    except BrokenPipeError:
        _abandon(sys.stdout)
    except (OSError, ValueError) as error:  # ValueError: the stream is closed
        _abandon(sys.stdout)
        raise OutputError(f"the output cannot be written: {getattr(error, 'strerror', None) or error}") from None


def noted(text: str) -> None:
    """Print to stderr what may contain names, paths and texts of errors. What cannot be printed there is lost."""
    try:
        _write(sys.stderr, f"{printable(text)}\n")
    except (OSError, ValueError):
        _abandon(sys.stderr)


def rewritten(text: str) -> None:
    """Print text at the start of the current line of stderr, over what is there. What cannot be printed is lost."""
    try:
        _write(sys.stderr, f"\r{printable(text)}")
    except (OSError, ValueError):
        _abandon(sys.stderr)


class UserOutput:
    """Sends the output of the user's code to stderr; if that fails, the model is judged anyway."""

    def write(self, text: str) -> int:
        try:
            if sys.stderr is not None:
                sys.stderr.write(text)
        except (OSError, ValueError):
            _abandon(sys.stderr)
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None:  # closed before Python started
        return
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def _abandon(stream: TextIO | None) -> None:
    """Discard what the stream has not written: at the end Python would try again, and exit with another status."""
    with suppress(OSError, ValueError, AttributeError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, stream.fileno())  # type: ignore[union-attr]
        os.close(nothing)

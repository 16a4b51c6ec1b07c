"""A wrong input, told in one line with what to do."""

from __future__ import annotations

import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


class BadInput(Exception):
    """What the user gave cannot be used; the message is all that they read."""


_NOT_THEIRS = tuple(
    str(Path(folder).resolve())
    for folder in {sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    | {str(Path(__file__).parents[1])}
)


def show_their_frames(error: BaseException) -> None:
    """Their part of a traceback, on stderr: not ours, the import machinery's or a library's, unless nothing is left."""
    frames = their_frames(error) or traceback.extract_tb(error.__traceback__)[-1:]
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(frames)]
    sys.stderr.write("".join([*lines, *traceback.format_exception_only(type(error), error)]))


def their_frames(error: BaseException) -> list[traceback.FrameSummary]:
    """The frames of the user's own code."""
    frames = traceback.extract_tb(error.__traceback__)
    return [frame for frame in frames if not frame.filename.startswith("<") and not _is_library(frame.filename)]


def _is_library(file: str) -> bool:
    return str(Path(file).resolve()).startswith(_NOT_THEIRS)


def first_line(error: BaseException) -> str:
    """``ValueError: what it says``, without the lines that follow."""
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0]}" if said else type(error).__name__


def theirs(doing: str, call: Callable[..., T], *args: Any) -> T:
    """Run the user's code. What it raises is shown with their frames and reported in one line."""
    with guarded(doing):
        return call(*args)


@contextmanager
def guarded(doing: str) -> Iterator[None]:
    """Around the user's code: what it prints goes to stderr, what it raises is shown and reported in one line."""
    try:
        with redirect_stdout(sys.stderr):
            yield
    except BadInput:
        raise
    except SystemExit as error:
        raise BadInput(f"{doing} called sys.exit({error.code!r})") from None
    except ModuleNotFoundError as error:
        if not their_frames(error):
            raise
        show_their_frames(error)
        raise BadInput(f"{doing} raised {first_line(error)}") from None
    except Exception as error:
        show_their_frames(error)
        raise BadInput(f"{doing} raised {first_line(error)}") from None

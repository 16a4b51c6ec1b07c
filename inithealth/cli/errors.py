"""Invalid input, reported in one line with advice."""

from __future__ import annotations

import sysconfig
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, TypeVar

from inithealth.cli.printing import UserOutput, noted

T = TypeVar("T")


class BadInput(Exception):
    """The input cannot be used; the message is everything that is shown."""


_NOT_THEIRS = tuple(
    str(Path(folder).resolve())
    for folder in {sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    | {str(Path(__file__).parents[1])}
)


def show_their_frames(error: BaseException) -> None:
    """Print the user's frames of a traceback to stderr; other frames only if there are none of the user's."""
    frames = their_frames(error) or traceback.extract_tb(error.__traceback__)[-1:]
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(frames)]
    noted("".join([*lines, *traceback.format_exception_only(type(error), error)]).rstrip("\n"))


def their_frames(error: BaseException) -> list[traceback.FrameSummary]:
    """Return the frames of the user's own code."""
    frames = traceback.extract_tb(error.__traceback__)
    return [frame for frame in frames if not frame.filename.startswith("<") and not _is_library(frame.filename)]


def _is_library(file: str) -> bool:
    return str(Path(file).resolve()).startswith(_NOT_THEIRS)


def first_line(error: BaseException) -> str:
    """Return ``ValueError: its message``, first line only."""
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0]}" if said else type(error).__name__


def theirs(doing: str, call: Callable[..., T], *args: Any) -> T:
    """Run the user's code; an error is shown with the user's frames and raised as BadInput."""
    with guarded(doing):
        return call(*args)


@contextmanager
def guarded(doing: str) -> Iterator[None]:
    """In the context, redirect output of the user's code to stderr; show its errors and raise them as BadInput."""
    try:
        with redirect_stdout(UserOutput()):
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

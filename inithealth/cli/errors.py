"""A wrong input, told in one line with what to do."""

from __future__ import annotations

import sys
import sysconfig
import traceback
from pathlib import Path


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

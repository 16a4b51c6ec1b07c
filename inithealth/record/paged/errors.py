"""The error of a model that cannot be built without its values, with the line of the user's code."""

from __future__ import annotations

import os
import sys
from types import FrameType, TracebackType
from typing import Any

import torch

_TORCH = os.path.dirname(torch.__file__) + os.sep
_PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + os.sep
_TRANSFORMERS = f"{os.sep}transformers{os.sep}"
_BUILD = "build_deferred"


class CannotDefer(ValueError):
    """A model's initialization needs values, or tensors, that cannot be made later."""


def cannot_defer(problem: str, *, line: str = "") -> CannotDefer:
    """Return the error for a problem, with the line of the user's code that runs now unless another one is given."""
    return CannotDefer(f"{line or user_line()}: {problem}")


def user_line() -> str:
    """Return the file and line of the innermost running code outside torch, transformers and this package."""
    places = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_name != _BUILD:
        places.append((frame.f_code.co_filename, frame.f_lineno))
        frame = frame.f_back
    return _chosen(places)


def raising_line(trace: TracebackType | None) -> str:
    """Return the file and line of the innermost code of a traceback outside torch, transformers and this package."""
    places = []
    while trace is not None:
        places.append((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
        trace = trace.tb_next
    return _chosen(places[::-1])


def definition_line(function: Any) -> str:
    """Return the file and line where a function or a class's function is defined, or the name of the callable."""
    code = getattr(function, "__code__", None)
    return f"{_shown(code.co_filename)}:{code.co_firstlineno}" if code is not None else repr(function)


def _chosen(places: list[tuple[str, int]]) -> str:
    outside = [place for place in places if not place[0].startswith((_PACKAGE, "<"))]
    beyond_torch = [place for place in outside if not place[0].startswith(_TORCH)]
    own = [place for place in beyond_torch if _TRANSFORMERS not in place[0]]
    for found in (own, beyond_torch, outside):
        if found:
            return f"{_shown(found[0][0])}:{found[0][1]}"
    return "model"


def _shown(path: str) -> str:
    here = os.getcwd() + os.sep
    return path.removeprefix(here)

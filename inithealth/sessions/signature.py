"""What a function may be called with, asked before it is called."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from inithealth.call import Call

__tracebackhide__ = True  # pytest shows the line that calls `check`, not these


@dataclass(frozen=True)
class Signature:
    """What a function may be called with.

    Attributes:
        name: for messages, as ``Net.forward`` or ``cross_entropy``.
        required: positional parameters without a default.
        names: all parameters that a keyword may fill.
        most: how many positional arguments it takes.
        any_keyword: whether it takes ``**kwargs``.
    """

    name: str
    required: tuple[str, ...]
    names: tuple[str, ...]
    most: float
    any_keyword: bool

    @classmethod
    def of(cls, function: Callable[..., Any]) -> Signature | None:
        """None for code that does not say: some built-in functions."""
        is_module = isinstance(function, nn.Module)
        named = function.func if isinstance(function, partial) else function
        try:
            parameters = inspect.signature(_called_part(function)).parameters.values()
        except (TypeError, ValueError):
            return None
        positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        kinds = {p.kind for p in parameters}
        name = type(function).__name__ if is_module else getattr(named, "__name__", type(named).__name__)
        return cls(
            name=f"{name}.forward" if is_module else "the loss" if name == "<lambda>" else name,
            required=tuple(p.name for p in positional if p.default is p.empty),
            names=tuple(p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)),
            most=math.inf if inspect.Parameter.VAR_POSITIONAL in kinds else len(positional),
            any_keyword=inspect.Parameter.VAR_KEYWORD in kinds,
        )

    def takes(self, count: int) -> bool:
        """Whether so many positional arguments fit."""
        return len(self.required) <= count <= self.most


def called(function: Callable[..., Any], call: Call, advice: str) -> Any:
    """The call's result; where the arguments do not fit the signature, TypeError with advice."""
    try:
        return function(*call.args, **call.kwargs)
    except TypeError as error:
        if _fits(_called_part(function), call):
            raise
        misfit = f"{error}: {advice}"
    raise TypeError(misfit)  # outside the handler: shown once, not as an error within an error


def _fits(function: Callable[..., Any], call: Call) -> bool:
    try:
        inspect.signature(function).bind(*call.args, **call.kwargs)
    except TypeError:
        return False
    except ValueError:  # some built-in functions have no signature to ask
        return True
    return True


def _called_part(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function whose parameters count: a module's ``forward``."""
    return function.forward if isinstance(function, nn.Module) else function

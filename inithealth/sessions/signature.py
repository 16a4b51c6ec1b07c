"""The arguments that a function accepts, determined before it is called."""

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
    """The arguments that a function accepts.

    Attributes:
        name: name for messages, such as ``Net.forward`` or ``cross_entropy``.
        required: positional parameters without a default.
        names: all parameters that can be passed by keyword.
        most: maximum number of positional arguments.
        any_keyword: whether it takes ``**kwargs``.
    """

    name: str
    required: tuple[str, ...]
    names: tuple[str, ...]
    most: float
    any_keyword: bool

    @classmethod
    def of(cls, function: Callable[..., Any]) -> Signature | None:
        """Return the signature; None if it is unknown, as for some built-in functions."""
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
        """Return whether this number of positional arguments is accepted."""
        return len(self.required) <= count <= self.most


def called(function: Callable[..., Any], call: Call, advice: str) -> Any:
    """Return the result of the call. Raises TypeError with advice if the arguments do not match the signature."""
    try:
        return function(*call.args, **call.kwargs)
    except TypeError as error:
        if _fits(_called_part(function), call):
            raise
        misfit = f"{error}: {advice}"
    raise TypeError(misfit)  # outside the handler, so that it is not chained to another error


def _fits(function: Callable[..., Any], call: Call) -> bool:
    try:
        inspect.signature(function).bind(*call.args, **call.kwargs)
    except TypeError:
        return False
    except ValueError:  # some built-in functions have no signature
        return True
    return True


def _called_part(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function that defines the parameters: a module's ``forward``."""
    return function.forward if isinstance(function, nn.Module) else function

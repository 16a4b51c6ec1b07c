"""The activations as functions of numpy arrays. numpy is imported where a formula is evaluated, not before."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from inithealth.theory.activation_table import BY_NAME

IDENTITY = "identity"


def function_of(name: str) -> Callable[[Any], Any]:
    """Return the function of that name. Raises KeyError if there is none."""
    import numpy as np

    function = (lambda np, x: x) if name == IDENTITY else BY_NAME[name].function
    if function is None:
        raise KeyError(name)
    return partial(function, np)


def names() -> tuple[str, ...]:
    """Return the names of all functions."""
    return (IDENTITY, *(name for name, row in BY_NAME.items() if row.function is not None))

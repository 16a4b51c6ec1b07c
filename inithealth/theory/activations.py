"""The activations as functions of numpy arrays. numpy is imported when a function is first evaluated."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from inithealth.recording import Layer
from inithealth.theory.activation_row import Activation
from inithealth.theory.activation_table import BY_NAME

IDENTITY = "identity"


@lru_cache(maxsize=256)
def function_of(name: str, parameters: tuple[float, ...] = ()) -> Callable[[Any], Any]:
    """Return the activation function; the same object for the same arguments.

    Args:
        parameters: in the order of the activation's row; empty for torch's defaults.

    Raises:
        KeyError: no activation with that name has a function.
    """
    import numpy as np

    row = BY_NAME[name]
    function = (lambda np, x: x) if name == IDENTITY else row.function
    if function is None:
        raise KeyError(name)
    values = parameters or tuple(row.parameters.values())
    return lambda x: function(np, x, *values)


def row_of(layer: Layer) -> Activation | None:
    """Return the row of the activation after a layer; None without an activation or a row."""
    return BY_NAME.get(layer.activation or "")


def is_bounded(layer: Layer) -> bool:
    """Return whether the outputs of the layer's activation are bounded; False for periodic ones."""
    row = row_of(layer)
    return row is not None and row.bounded and not row.periodic


def output_at(layer: Layer, value: float) -> float:
    """Return the layer's activation of a value; 0 if it is unknown."""
    import numpy as np

    row = row_of(layer)
    if row is None or row.function is None or row.doubt:
        return 0.0
    return float(function_of(row.name, layer.activation_parameters)(np.array([value]))[0])


def names() -> tuple[str, ...]:
    """Return the names of all activations with a function."""
    return (IDENTITY, *(name for name, row in BY_NAME.items() if row.function is not None))

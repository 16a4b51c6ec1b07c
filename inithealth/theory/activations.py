"""The activations by the names that layers know them by, as functions of arrays; slopes and bounds are torch's own.

The module needs numpy: it is imported where a formula is evaluated, not before.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]

_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
_LEAKY, _PRELU, _RRELU = 0.01, 0.25, (1 / 8 + 1 / 3) / 2


def named(name: str) -> Callable[[Array], Array]:
    """The function of that name. Raises KeyError."""
    return _FUNCTIONS[name]


def names() -> tuple[str, ...]:
    """All that are known."""
    return tuple(_FUNCTIONS)


def _sigmoid(x: Array) -> Array:
    return 0.5 * (1.0 + np.tanh(x / 2))


def _softplus(x: Array) -> Array:
    return np.logaddexp(0.0, x)


def _hardsigmoid(x: Array) -> Array:
    clipped: Array = np.clip(x / 6 + 0.5, 0.0, 1.0)
    return clipped


def _erf(x: Array) -> Array:
    values: Array = np.array([math.erf(value) for value in x.ravel().tolist()]).reshape(x.shape)
    return values


def _exponential(x: Array, alpha: float) -> Array:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0.0)))


def _leaky(slope: float) -> Callable[[Array], Array]:
    return lambda x: np.where(x > 0, x, slope * x)


_FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "identity": lambda x: x,
    "relu": lambda x: np.maximum(x, 0.0),
    "threshold": lambda x: np.maximum(x, 0.0),
    "relu6": lambda x: np.clip(x, 0.0, 6.0),
    "leaky_relu": _leaky(_LEAKY),
    "prelu": _leaky(_PRELU),
    "rrelu": _leaky(_RRELU),
    "hardtanh": lambda x: np.clip(x, -1.0, 1.0),
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
    "hardsigmoid": _hardsigmoid,
    "logsigmoid": lambda x: -_softplus(-x),
    "softplus": _softplus,
    "softsign": lambda x: x / (1.0 + np.abs(x)),
    "erf": _erf,
    "gelu": lambda x: x * (1.0 + _erf(x / math.sqrt(2.0))) / 2,
    "gelu_tanh": lambda x: x * (1.0 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2,
    "silu": lambda x: x * _sigmoid(x),
    "hardswish": lambda x: x * _hardsigmoid(x),
    "mish": lambda x: x * np.tanh(_softplus(x)),
    "elu": lambda x: _exponential(x, 1.0),
    "celu": lambda x: _exponential(x, 1.0),
    "selu": lambda x: _SELU_SCALE * _exponential(x, _SELU_ALPHA),
    "sin": np.sin,
}

"""The functions of the activation table. numpy is their first argument, so that loading the table does not import it.

The arguments after the array are the parameters of the activation, in the order of its row.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

Function = Callable[..., Any]  # (numpy, float64 array, *parameters) -> array of the same shape

SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def sigmoid(np: Any, x: Any) -> Any:
    return 0.5 * (1.0 + np.tanh(x / 2))


def softplus(np: Any, x: Any, beta: float = 1.0) -> Any:
    return np.logaddexp(0.0, beta * x) / beta


def hardsigmoid(np: Any, x: Any) -> Any:
    return np.clip(x / 6 + 0.5, 0.0, 1.0)


def erf(np: Any, x: Any) -> Any:
    return np.array([math.erf(value) for value in x.ravel().tolist()]).reshape(x.shape)


def elu(np: Any, x: Any, alpha: float = 1.0) -> Any:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0.0)))


def celu(np: Any, x: Any, alpha: float = 1.0) -> Any:
    return elu(np, x / alpha) * alpha


def leaky(np: Any, x: Any, slope: float) -> Any:
    return np.where(x > 0, x, slope * x)


def noisy_leaky(np: Any, x: Any, lower: float, upper: float) -> Any:
    return leaky(np, x, (lower + upper) / 2)


def relu(np: Any, x: Any, threshold: float = 0.0) -> Any:
    return np.where(x > threshold, x, 0.0)


def softshrink(np: Any, x: Any, width: float) -> Any:
    return x - np.clip(x, -width, width)


def clip(np: Any, x: Any, low: float, high: float) -> Any:
    return np.clip(x, low, high)

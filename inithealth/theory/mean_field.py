"""Mean field theory of wide random networks: how a layer maps the variance and correlation of its signal.

A layer z' = W phi(z) + b, with weights of variance weight_std^2 / fan_in and biases of variance bias_std^2, maps
the variance q of z to weight_std^2 E[phi(sqrt(q) x)^2] + bias_std^2, x ~ N(0, 1). Schoenholz et al. 2017,
https://arxiv.org/abs/1611.01232; Poole et al. 2016, https://arxiv.org/abs/1606.05340.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from inithealth.powers import squared
from inithealth.theory.activations import function_of

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[np.float64]]

Function = Callable[["Array"], "Array"]

_NODES = 2049  # of the quadrature, which takes 0.1 ms
_REACH = 9.0  # standard deviations: a normal distribution has 1e-18 of its mass beyond
_FINE = 0.05  # standard deviations: nodes are densest within, where a large q moves the kinks of the activation
_LEAST, _MOST = 1e-12, 1e12  # range of variances that are evaluated
_STEP = 100.0  # factor of variance over which the exponent beyond that range is fitted
_TERMS = 128  # of the Hermite expansion of a correlation


def mean_square(activation: str | Function, variance: float = 1.0) -> float:
    """Return E[phi(sqrt(variance) x)^2] for x ~ N(0, 1).

    Args:
        activation: a name, or a continuous function of an array of floats.

    Raises:
        KeyError: the name is unknown.
    """
    edge = _bounded(variance)
    square = _squares(activation, edge)[0]
    if edge == variance or square == 0.0:
        return square
    # For large and small inputs every activation is a power of its input: linear or constant.
    inner = edge * _STEP if edge == _LEAST else edge / _STEP
    power = math.log(_squares(activation, inner)[0] / square) / math.log(inner / edge)
    return float(square * (variance / edge) ** round(power, 3))


def mean_square_slope(activation: str | Function, variance: float = 1.0) -> float:
    """Return E[phi'(sqrt(variance) x)^2]: the factor of the squared gradient, apart from the weights."""
    return _squares(activation, _bounded(variance))[1]


def forward_gain(activation: str | Function, variance: float = 1.0) -> float:
    """Return the weight gain, std(W) sqrt(fan_in), that preserves a signal of that variance."""
    return (variance / square) ** 0.5 if (square := mean_square(activation, variance)) > 0 else math.inf


def backward_gain(activation: str | Function, variance: float = 1.0) -> float:
    """Return the weight gain that preserves the gradient, for a signal of that variance."""
    return square**-0.5 if (square := mean_square_slope(activation, variance)) > 0 else math.inf


def next_variance(activation: str | Function, variance: float, gain: float, bias_std: float = 0.0) -> float:
    """Return the variance after one more layer."""
    return squared(gain) * mean_square(activation, variance) + squared(bias_std)


def signal_after(activation: str | Function, gain: float, layers: int, bias_std: float = 0.0) -> float:
    """Return the rms after a number of layers of a signal that starts at 1."""
    variance = 1.0
    for _ in range(layers):
        variance = next_variance(activation, variance, gain, bias_std)
    return math.sqrt(variance)


def fixed_variance(activation: str | Function, gain: float, bias_std: float = 0.0, start: float = 1.0) -> float:
    """Return the variance q* to which a signal of variance ``start`` converges with depth; it may be 0 or infinity."""

    def growth(log_variance: float) -> float:
        variance = math.exp(log_variance)
        return next_variance(activation, variance, gain, bias_std) / variance - 1.0

    inner = math.log(start)
    first = growth(inner)
    if abs(first) < 1e-6:
        return start
    stride = math.copysign(0.25, first)
    while True:
        outer = inner + stride
        if not math.log(_LEAST) < outer < math.log(_MOST):
            return math.inf if first > 0 else 0.0
        if growth(outer) * first <= 0:
            return math.exp(_root(growth, inner, outer))
        inner = outer


def chi(activation: str | Function, gain: float, bias_std: float = 0.0, start: float = 1.0) -> float:
    """Return chi_1 = gain^2 E[phi'(sqrt(q*) x)^2]: gradients vanish with depth below 1, and explode above 1."""
    return squared(gain) * mean_square_slope(activation, fixed_variance(activation, gain, bias_std, start))


def depth_scale(chi_1: float) -> float:
    """Return the number of layers over which the squared gradient changes by a factor e: 1 / |ln chi_1|."""
    if chi_1 <= 0:
        return 0.0
    return math.inf if abs(chi_1 - 1.0) < 1e-9 else 1.0 / abs(math.log(chi_1))


def next_correlation(
    activation: str | Function, correlation: float, gain: float, bias_std: float = 0.0, start: float = 1.0
) -> float:
    """Return the correlation of two inputs after one more layer, at the variance q*."""
    settled = _bounded(fixed_variance(activation, gain, bias_std, start))
    return _correlated(activation, correlation, gain, bias_std, settled)


def fixed_correlation(activation: str | Function, gain: float, bias_std: float = 0.0, start: float = 1.0) -> float:
    """Return the correlation c* to which any two inputs converge with depth; 1 if it maps all inputs to the same."""
    settled = _bounded(fixed_variance(activation, gain, bias_std, start))

    def growth(correlation: float) -> float:
        return _correlated(activation, correlation, gain, bias_std, settled) - correlation

    # The map has no negative coefficient, so it is convex and crosses the diagonal below 1 at most once.
    below = 1.0 - 1e-3
    if growth(below) >= 0:
        return 1.0
    return _root(growth, 0.0, below) if growth(0.0) > 0 else 0.0


@lru_cache(maxsize=256)
def critical_gain(activation: str | Function, bias_std: float = 0.0, most: float = 6.0) -> float | None:
    """Return the weight gain at which chi_1 is 1: gradients vanish below it and explode above it.

    The signal starts with variance 1. None if there is no such gain up to ``most``, as for the sigmoid.
    """
    grid = [most * (number + 1) / 60 for number in range(60)]
    values = [chi(activation, gain, bias_std) - 1.0 for gain in grid]
    for low, high, before, after in zip(grid, grid[1:], values, values[1:], strict=False):
        if before <= 0 < after:
            return _root(lambda gain: chi(activation, gain, bias_std) - 1.0, low, high, steps=24)
    return None


def critical_std(activation: str | Function, fan_in: int, bias_std: float = 0.0) -> float | None:
    """Return the weight std of the critical gain for that fan_in."""
    gain = critical_gain(activation, bias_std)
    return None if gain is None else gain / math.sqrt(fan_in)


def _root(function: Callable[[float], float], inner: float, outer: float, steps: int = 40) -> float:
    """Return the point between two others where a function changes its sign, by bisection."""
    positive = function(inner) > 0
    for _ in range(steps):
        middle = (inner + outer) / 2
        if (function(middle) > 0) == positive:
            inner = middle
        else:
            outer = middle
    return (inner + outer) / 2


def _bounded(variance: float) -> float:
    return min(_MOST, max(_LEAST, variance))


@lru_cache(maxsize=4096)
def _squares(activation: str | Function, variance: float) -> tuple[float, float]:
    """Return E[phi^2] and E[phi'^2]. The slope is the mean between two nodes, so kinks are allowed."""
    nodes, weights = _quadrature()
    inputs = nodes * math.sqrt(variance)
    outputs = _function(activation)(inputs)
    slopes = (outputs[1:] - outputs[:-1]) / (inputs[1:] - inputs[:-1])
    between = (weights[1:] + weights[:-1]) / 2
    square, slope = (outputs**2 * weights).sum(), (slopes**2 * between).sum() / between.sum()
    return float(square), float(slope)


def _correlated(activation: str | Function, correlation: float, gain: float, bias_std: float, variance: float) -> float:
    powers = _hermite(activation, variance)
    total = next_variance(activation, variance, gain, bias_std)
    product = sum(square * correlation**degree for degree, square in enumerate(powers))
    return (squared(gain) * product + squared(bias_std)) / total


@lru_cache(maxsize=256)
def _hermite(activation: str | Function, variance: float) -> tuple[float, ...]:
    """Return the squares a_n^2 of the Hermite coefficients: E[phi(u) phi(v)] = sum of a_n^2 c^n (Mehler's formula).

    The last element is the remainder, so that they add up to E[phi^2].
    """
    nodes, weights = _quadrature()
    weighted = _function(activation)(nodes * math.sqrt(variance)) * weights
    before, polynomial = nodes * 0.0, nodes * 0.0 + 1.0
    squares = []
    for degree in range(_TERMS):
        squares.append(float((weighted * polynomial).sum()) ** 2)
        following = (nodes * polynomial - math.sqrt(degree) * before) / math.sqrt(degree + 1)
        before, polynomial = polynomial, following
    return (*squares, max(0.0, mean_square(activation, variance) - sum(squares)))


@lru_cache(maxsize=1)
def _quadrature() -> tuple[Array, Array]:
    """Return nodes and weights for the standard normal distribution: the trapezoidal rule on a stretched axis."""
    import numpy as np

    places = np.linspace(-1.0, 1.0, _NODES) * math.asinh(_REACH / _FINE)
    nodes = _FINE * np.sinh(places)
    weights = np.exp(-(nodes**2) / 2) * np.cosh(places)
    return nodes, weights / weights.sum()


def _function(activation: str | Function) -> Function:
    return function_of(activation) if isinstance(activation, str) else activation

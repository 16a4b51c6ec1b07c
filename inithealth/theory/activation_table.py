"""Every activation that is known, one row each: how it is recognized, what it computes, what it needs.

Add an activation by adding a row. Functions take numpy as their first argument, so that reading the table does not
import it; slopes and bounds are torch's defaults.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Function = Callable[[Any, Any], Any]  # (numpy, float64 array) -> array of the same shape

_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


@dataclass(frozen=True)
class Activation:
    """What is known of one activation.

    Attributes:
        name: as users know it; the name in reports.
        modules: classes of ``torch.nn``.
        functions: names in ``torch.nn.functional`` or ``torch``.
        nodes: autograd nodes, without ``Backward0``.
        saved: values that such a node has saved, if other activations have the same node.
        function: what it does to an array; None where it does more than change each value.
        forward: 1 / sqrt(E[f(z)^2]), z ~ N(0, 1): the gain rms(W) sqrt(fan_in) that keeps the size of the signal.
        backward: 1 / sqrt(E[f'(z)^2]): the gain that keeps the size of a gradient.
        critical: gain at which chi_1 passes 1 in a deep stack without biases; None where there is none.
        advised: ``torch.nn.init.calculate_gain``, where it differs from these.
        scheme: "kaiming" or "xavier", where torch has a gain for it by ``gain_name``.
        low, high: a unit is dead if no input of the batch is between these; None where the slope is not zero.
        hole: the slope is zero between ``low`` and ``high``, not outside.
        bounds: names of saved values that replace ``low`` and ``high``; "-" before a name negates it.
        flat: outputs beyond which it is saturated, and ``flat_from`` the input at which it is.
        opens: its outputs weigh another signal, from 0 to 1.
        set_by_bias: a bias that outweighs the weights is a common start.
        periodic: no place of its input is worse than another.
        linear_at_zero: nearly linear for small inputs.
    """

    name: str
    modules: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    saved: Mapping[str, float | None] | None = None
    function: Function | None = None
    forward: float | None = None
    backward: float | None = None
    critical: float | None = None
    advised: float | None = None
    scheme: str = ""
    gain_name: str = ""
    low: float | None = None
    high: float | None = None
    hole: bool = False
    bounds: tuple[str, str] | None = None
    flat: tuple[float, float] | None = None
    flat_from: float | None = None
    opens: bool = False
    set_by_bias: bool = False
    periodic: bool = False
    linear_at_zero: bool = False

    @property
    def dies(self) -> bool:
        """Whether there are inputs at which its slope is exactly zero."""
        return self.low is not None or self.high is not None


def _sigmoid(np: Any, x: Any) -> Any:
    return 0.5 * (1.0 + np.tanh(x / 2))


def _softplus(np: Any, x: Any) -> Any:
    return np.logaddexp(0.0, x)


def _hardsigmoid(np: Any, x: Any) -> Any:
    return np.clip(x / 6 + 0.5, 0.0, 1.0)


def _erf(np: Any, x: Any) -> Any:
    return np.array([math.erf(value) for value in x.ravel().tolist()]).reshape(x.shape)


def _elu(np: Any, x: Any, alpha: float = 1.0) -> Any:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0.0)))


def _leaky(slope: float) -> Function:
    return lambda np, x: np.where(x > 0, x, slope * x)


def _relu(np: Any, x: Any) -> Any:
    return np.maximum(x, 0.0)


_RELU: dict[str, Any] = {"function": _relu, "forward": 1.4142, "backward": 1.4142, "critical": 1.4142, "low": 0.0}
_ELU: dict[str, Any] = {"function": _elu, "forward": 1.2452, "backward": 1.2234, "critical": 1.0}
_KAIMING: dict[str, Any] = {"scheme": "kaiming", "gain_name": "leaky_relu"}

ROWS: tuple[Activation, ...] = (
    Activation("relu", ("ReLU",), ("relu",), ("Relu",), scheme="kaiming", gain_name="relu", **_RELU),
    Activation("relu", (), ("clamp_min", "clamp"), ("ClampMin", "Clamp"), {"min": 0.0, "max": None}, **_RELU),
    Activation("relu6", ("ReLU6",), ("relu6",), ("Hardtanh",), {"min_val": 0.0, "max_val": 6.0}, high=6.0,
               **{**_RELU, "function": lambda np, x: np.clip(x, 0.0, 6.0)}),
    Activation("relu6", (), ("clamp",), ("Clamp",), {"min": 0.0, "max": 6.0}, high=6.0,
               **{**_RELU, "function": lambda np, x: np.clip(x, 0.0, 6.0)}),
    Activation("threshold", ("Threshold",), ("threshold",), ("Threshold",), bounds=("threshold", ""), **_RELU),
    Activation("leaky_relu", ("LeakyReLU",), ("leaky_relu",), ("LeakyRelu",), function=_leaky(0.01),
               forward=1.4141, backward=1.4141, critical=1.4141, **_KAIMING),
    Activation("prelu", ("PReLU",), ("prelu",), ("PreluKernel",), function=_leaky(0.25),
               forward=1.3720, backward=1.3720, critical=1.3720, **_KAIMING),
    Activation("rrelu", ("RReLU",), ("rrelu",), ("RreluWithNoise",), function=_leaky((1 / 8 + 1 / 3) / 2),
               forward=1.3785, backward=1.3785, critical=1.3785, **_KAIMING),
    Activation("hardtanh", ("Hardtanh",), ("hardtanh",), ("Hardtanh",), bounds=("min_val", "max_val"),
               function=lambda np, x: np.clip(x, -1.0, 1.0), forward=1.3920, backward=1.2105, critical=1.0,
               low=-1.0, high=1.0, linear_at_zero=True),
    Activation("hardtanh", (), ("clamp",), ("Clamp",), bounds=("min", "max"),
               function=lambda np, x: np.clip(x, -1.0, 1.0), forward=1.3920, backward=1.2105, critical=1.0,
               low=-1.0, high=1.0, linear_at_zero=True),
    Activation("tanh", ("Tanh",), ("tanh",), ("Tanh",), function=lambda np, x: np.tanh(x), forward=1.5925,
               backward=1.4674, critical=1.0, advised=5 / 3, scheme="xavier", gain_name="tanh", flat=(-0.97, 0.97),
               flat_from=math.atanh(0.97),
               linear_at_zero=True),
    Activation("softsign", ("Softsign",), ("softsign",), function=lambda np, x: x / (1.0 + np.abs(x)),
               forward=2.3375, backward=2.0958, critical=1.0),
    Activation("tanhshrink", ("Tanhshrink",), ("tanhshrink",), function=lambda np, x: x - np.tanh(x),
               forward=2.3384, backward=1.9881, critical=2.3384),
    Activation("softshrink", ("Softshrink",), ("softshrink",), ("Softshrink",), low=-0.5, high=0.5, hole=True,
               bounds=("-lambd", "lambd"),
               function=lambda np, x: x - np.clip(x, -0.5, 0.5), forward=1.5444, backward=1.2735,
               critical=1.5444),
    # Its function has jumps, which the theory of gains does not know.
    Activation("hardshrink", ("Hardshrink",), ("hardshrink",), ("Hardshrink",), low=-0.5, high=0.5, hole=True,
               bounds=("-lambd", "lambd")),
    Activation("erf", (), ("erf",), ("Erf",), function=_erf, forward=1.4672, backward=1.3252, critical=0.8862),
    Activation("gelu", ("GELU",), ("gelu",), ("Gelu",), forward=1.5335, backward=1.4811, critical=1.5335,
               function=lambda np, x: x * (1.0 + _erf(np, x / math.sqrt(2.0))) / 2),
    Activation("silu", ("SiLU",), ("silu",), ("Silu",), forward=1.6765, backward=1.6233, critical=1.6765,
               function=lambda np, x: x * _sigmoid(np, x)),
    Activation("hardswish", ("Hardswish",), ("hardswish",), ("Hardswish",), forward=1.7367, backward=1.6701,
               critical=1.7367, low=-3.0, function=lambda np, x: x * _hardsigmoid(np, x)),
    Activation("mish", ("Mish",), ("mish",), ("Mish",), forward=1.4868, backward=1.4448, critical=1.4868,
               function=lambda np, x: x * np.tanh(_softplus(np, x))),
    Activation("selu", ("SELU",), ("selu",), ("Elu",), {"scale": _SELU_SCALE}, forward=1.0, backward=0.9660,
               critical=0.6905, advised=0.75, scheme="kaiming", gain_name="linear",
               function=lambda np, x: _SELU_SCALE * _elu(np, x, _SELU_ALPHA)),
    Activation("elu", ("ELU",), ("elu",), ("Elu",), **_ELU),
    Activation("celu", ("CELU",), ("celu",), ("Celu",), **_ELU),
    Activation("softplus", ("Softplus",), ("softplus",), ("Softplus",), function=_softplus, forward=1.0419,
               backward=1.8462, critical=1.4142, set_by_bias=True),
    Activation("logsigmoid", ("LogSigmoid",), ("logsigmoid",), ("LogSigmoid",), forward=1.0419, backward=1.8462,
               critical=1.4142, function=lambda np, x: -_softplus(np, -x)),
    Activation("sigmoid", ("Sigmoid",), ("sigmoid",), ("Sigmoid",), function=_sigmoid, forward=1.8462,
               backward=4.7226, advised=1.0, scheme="xavier", gain_name="sigmoid", flat=(0.03, 0.97),
               flat_from=math.log(0.97 / 0.03), opens=True,
               set_by_bias=True),
    Activation("hardsigmoid", ("Hardsigmoid",), ("hardsigmoid",), ("Hardsigmoid",), function=_hardsigmoid,
               forward=1.8978, backward=6.0082, advised=1.0, low=-3.0, high=3.0, opens=True, set_by_bias=True),
    Activation("sin", (), ("sin",), ("Sin",), function=lambda np, x: np.sin(x), forward=1.5209, backward=1.3273,
               critical=1.0, periodic=True),
    Activation("cos", (), ("cos",), ("Cos",), periodic=True),
    Activation("exp", (), ("exp",), ("Exp",), set_by_bias=True),
    Activation("softmax", ("Softmax", "Softmin", "Softmax2d"), ("softmax", "softmin"), ("Softmax", "SafeSoftmax"),
               opens=True),
    Activation("log_softmax", ("LogSoftmax",), ("log_softmax",)),  # its node ends a loss
    Activation("glu", ("GLU",), ("glu",), ("Glu",)),
)  # fmt: skip
BY_NAME: Mapping[str, Activation] = {row.name: row for row in reversed(ROWS)}


def by_node(node: str, saved: Callable[[str], Any]) -> Activation | None:
    """Return the activation that a node is, None for one that is none.

    Args:
        node: the node's name without ``Backward0``.
        saved: returns what the node has saved by that name; None for nothing.
    """
    rows = [row for row in ROWS if node in row.nodes]
    # A bound that is not saved makes another function: clamp(min=0) has no maximum.
    rows = [row for row in rows if all(not name or _bound(name, saved) is not None for name in row.bounds or ())]
    return next((row for row in rows if _matches(row, saved)), None)


def _matches(row: Activation, saved: Callable[[str], Any]) -> bool:
    return all(_close(saved(name), value) for name, value in (row.saved or {}).items())


def _close(value: Any, expected: float | None) -> bool:
    if expected is None or not isinstance(value, (int, float)):
        return value is None and expected is None
    return abs(value - expected) < 1e-3


def bounds_of(row: Activation, saved: Callable[[str], Any]) -> tuple[float | None, float | None]:
    """Return the bounds between which the slope is not zero (outside which, for one with a hole)."""
    low, high = (_bound(name, saved) for name in row.bounds or ("", ""))
    return (row.low if low is None else low), (row.high if high is None else high)


def _bound(name: str, saved: Callable[[str], Any]) -> float | None:
    value = saved(name.removeprefix("-")) if name else None
    return None if value is None else -float(value) if name.startswith("-") else float(value)

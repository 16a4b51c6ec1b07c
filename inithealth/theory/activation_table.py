"""All known activations, one row each: how they are recognized, what they compute, which gains they need.

To add an activation, add a row; ``activation_row`` describes the fields. Slopes and bounds are torch's defaults.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from inithealth.theory import elementwise as f
from inithealth.theory.activation_row import Activation

_RELU: dict[str, Any] = {"function": f.relu, "forward": 1.4142, "backward": 1.4142, "critical": 1.4142,
                         "scheme": "kaiming", "gain_name": "relu"}  # fmt: skip
_ELU: dict[str, Any] = {"parameters": {"alpha": 1.0}, "forward": 1.2452, "backward": 1.2234, "critical": 1.0,
                        "scheme": "kaiming"}  # fmt: skip
_HARDTANH: dict[str, Any] = {"parameters": {"min_val": -1.0, "max_val": 1.0}, "function": f.clip, "forward": 1.3920,
                             "backward": 1.2105, "critical": 1.0, "scheme": "xavier", "low": -1.0, "high": 1.0,
                             "bounds": ("min_val", "max_val"), "bounded": True, "linear_at_zero": True}  # fmt: skip
_RELU6: dict[str, Any] = {**_RELU, "function": lambda np, x: np.clip(x, 0.0, 6.0), "low": 0.0, "high": 6.0,
                          "bounded": True}  # fmt: skip
_CLAMP_MIN: dict[str, Any] = {**_RELU, "parameters": {"min": 0.0}, "function": lambda np, x, low: np.maximum(x, low),
                              "low": 0.0, "bounds": ("min", "")}  # fmt: skip
_CLAMP_MAX: dict[str, Any] = {**_RELU, "parameters": {"max": 0.0}, "function": lambda np, x, high: np.minimum(x, high),
                              "high": 0.0, "bounds": ("", "max")}  # fmt: skip
_SHRINK: dict[str, Any] = {"parameters": {"lambd": 0.5}, "low": -0.5, "high": 0.5, "hole": True,
                           "bounds": ("-lambd", "lambd")}  # fmt: skip
_LEAKY: dict[str, Any] = {"scheme": "kaiming", "gain_name": "leaky_relu"}

ROWS: tuple[Activation, ...] = (
    Activation("relu", ("ReLU",), ("relu",), ("Relu",), low=0.0, **_RELU),
    Activation("relu", (), ("clamp_min", "clamp"), ("ClampMin", "Clamp"), {"min": 0.0, "max": None}, low=0.0, **_RELU),
    Activation("relu", (), ("maximum",), ("Maximum",), {"constant": 0.0}, low=0.0, **_RELU),
    Activation("relu", (), (), ("LeakyRelu",), {"negative_slope": 0.0}, low=0.0, **_RELU),
    Activation("relu", (), (), ("Elu",), {"alpha": 0.0, "scale": 1.0}, low=0.0, **_RELU),
    Activation("identity", (), (), ("LeakyRelu",), {"negative_slope": 1.0}),
    Activation("relu6", ("ReLU6",), ("relu6",), ("Hardtanh",), {"min_val": 0.0, "max_val": 6.0}, **_RELU6),
    Activation("relu6", (), ("clamp",), ("Clamp",), {"min": 0.0, "max": 6.0}, **_RELU6),
    Activation("threshold", ("Threshold",), ("threshold",), ("Threshold",), parameters={"threshold": 0.0}, low=0.0,
               bounds=("threshold", ""), doubt="unknown, as its graph does not save `value`; 0 is assumed", **_RELU),
    Activation("clamp_min", (), ("clamp_min",), ("ClampMin", "Clamp"), {"max": None}, **_CLAMP_MIN),
    Activation("clamp_min", (), ("maximum",), ("Maximum",), kept={"min": "constant"}, **_CLAMP_MIN),
    Activation("clamp_max", (), ("clamp_max",), ("ClampMax", "Clamp"), {"min": None}, **_CLAMP_MAX),
    Activation("clamp_max", (), ("minimum",), ("Minimum",), kept={"max": "constant"}, **_CLAMP_MAX),
    Activation("leaky_relu", ("LeakyReLU",), ("leaky_relu",), ("LeakyRelu",), parameters={"negative_slope": 0.01},
               function=f.leaky, forward=1.4141, backward=1.4141, critical=1.4141, **_LEAKY),
    Activation("prelu", ("PReLU",), ("prelu",), ("PreluKernel",), parameters={"weight": 0.25}, function=f.leaky,
               forward=1.3720, backward=1.3720, critical=1.3720, **_LEAKY),
    Activation("rrelu", ("RReLU",), ("rrelu",), ("RreluWithNoise",), parameters={"lower": 1 / 8, "upper": 1 / 3},
               function=f.noisy_leaky, forward=1.3785, backward=1.3785, critical=1.3785, **_LEAKY),
    Activation("hardtanh", ("Hardtanh",), ("hardtanh",), ("Hardtanh",), **_HARDTANH),
    Activation("hardtanh", (), ("clamp",), ("Clamp",), kept={"min_val": "min", "max_val": "max"}, **_HARDTANH),
    Activation("tanh", ("Tanh",), ("tanh",), ("Tanh",), function=lambda np, x: np.tanh(x), forward=1.5925,
               backward=1.4674, critical=1.0, advised=5 / 3, scheme="xavier", gain_name="tanh", flat=(-0.97, 0.97),
               flat_from=math.atanh(0.97), bounded=True, linear_at_zero=True),
    Activation("softsign", ("Softsign",), ("softsign",), function=lambda np, x: x / (1.0 + np.abs(x)),
               forward=2.3375, backward=2.0958, critical=1.0, scheme="xavier", flat=(-0.776, 0.776),
               flat_from=0.776 / (1 - 0.776), bounded=True),
    Activation("tanhshrink", ("Tanhshrink",), ("tanhshrink",), function=lambda np, x: x - np.tanh(x),
               forward=2.3384, backward=1.9881, critical=2.3384),
    Activation("softshrink", ("Softshrink",), ("softshrink",), ("Softshrink",), function=f.softshrink, forward=1.5444,
               backward=1.2735, critical=1.5444, **_SHRINK),
    Activation("hardshrink", ("Hardshrink",), ("hardshrink",), ("Hardshrink",),
               doubt="unknown, as the function is discontinuous; 1 is assumed", **_SHRINK),
    Activation("erf", (), ("erf",), ("Erf",), function=f.erf, forward=1.4672, backward=1.3252, critical=0.8862,
               scheme="xavier", flat=(-0.97, 0.97), flat_from=1.5345, bounded=True),
    Activation("gelu", ("GELU",), ("gelu",), ("Gelu",), forward=1.5335, backward=1.4811, critical=1.5335,
               function=lambda np, x: x * (1.0 + f.erf(np, x / math.sqrt(2.0))) / 2, scheme="kaiming"),
    Activation("silu", ("SiLU",), ("silu",), ("Silu",), forward=1.6765, backward=1.6233, critical=1.6765,
               function=lambda np, x: x * f.sigmoid(np, x), scheme="kaiming"),
    Activation("hardswish", ("Hardswish",), ("hardswish",), ("Hardswish",), forward=1.7367, backward=1.6701,
               critical=1.7367, low=-3.0, function=lambda np, x: x * f.hardsigmoid(np, x), scheme="kaiming"),
    Activation("mish", ("Mish",), ("mish",), ("Mish",), forward=1.4868, backward=1.4448, critical=1.4868,
               function=lambda np, x: x * np.tanh(f.softplus(np, x)), scheme="kaiming"),
    Activation("selu", ("SELU",), ("selu",), ("Elu",), {"scale": f.SELU_SCALE}, forward=1.0, backward=0.9660,
               critical=0.6905, advised=0.75, scheme="lecun", gain_name="linear",
               function=lambda np, x: f.SELU_SCALE * f.elu(np, x, f.SELU_ALPHA)),
    Activation("elu", ("ELU",), ("elu",), ("Elu",), {"scale": 1.0}, function=f.elu, **_ELU),
    Activation("celu", ("CELU",), ("celu",), ("Celu",), function=f.celu, **_ELU),
    Activation("softplus", ("Softplus",), ("softplus",), ("Softplus",), parameters={"beta": 1.0}, function=f.softplus,
               forward=1.0419, backward=1.8462, critical=1.4142, scheme="kaiming", rate=True, set_by_bias=True),
    Activation("logsigmoid", ("LogSigmoid",), ("logsigmoid",), ("LogSigmoid",), forward=1.0419, backward=1.8462,
               critical=1.4142, function=lambda np, x: -f.softplus(np, -x)),
    Activation("sigmoid", ("Sigmoid",), ("sigmoid",), ("Sigmoid",), function=f.sigmoid, forward=1.8462,
               backward=4.7226, advised=1.0, scheme="xavier", gain_name="sigmoid", flat=(0.03, 0.97),
               flat_from=math.log(0.97 / 0.03), bounded=True, opens=True, set_by_bias=True),
    Activation("hardsigmoid", ("Hardsigmoid",), ("hardsigmoid",), ("Hardsigmoid",), function=f.hardsigmoid,
               forward=1.8978, backward=6.0082, advised=1.0, scheme="xavier", low=-3.0, high=3.0, bounded=True,
               opens=True, set_by_bias=True),
    Activation("sin", (), ("sin",), ("Sin",), function=lambda np, x: np.sin(x), forward=1.5209, backward=1.3273,
               critical=1.0, bounded=True, periodic=True),
    Activation("cos", (), ("cos",), ("Cos",), doubt="unknown; 1 is assumed", bounded=True, periodic=True),
    # It scales another signal, as a std or a decay, so it has no gain. A decay near 1 is a long memory, not saturation.
    Activation("exp", (), ("exp",), ("Exp",), flat=(0.03, math.inf), set_by_bias=True),
    Activation("softmax", ("Softmax", "Softmin", "Softmax2d"), ("softmax", "softmin"), ("Softmax", "SafeSoftmax"),
               bounded=True, opens=True),
    Activation("log_softmax", ("LogSoftmax",), ("log_softmax",), ("LogSoftmax",), doubt="unknown; 1 is assumed"),
    Activation("glu", ("GLU",), ("glu",), ("Glu",), doubt="unknown; 1 is assumed"),
)  # fmt: skip
BY_NAME: Mapping[str, Activation] = {row.name: row for row in reversed(ROWS)}
Saved = Callable[[str], Any]


def by_node(node: str, saved: Saved) -> Activation | None:
    """Return the activation of a node; None if the node is not an activation.

    Args:
        node: the node's name without ``Backward0``.
        saved: returns the value that the node saved under a name; None if there is none.
    """
    return next((row for row in ROWS if node in row.nodes and _matches(row, saved)), None)


def parameters_of(row: Activation, saved: Saved) -> tuple[float, ...]:
    """Return the parameters that a node saved, in the order of the row; empty for torch's defaults."""
    defaults = row.parameters
    found = {name: saved(row.kept.get(name, name)) for name in defaults}
    values = {name: value if _is_number(value) else defaults[name] for name, value in found.items()}
    usual = all(abs(value - defaults[name]) < 1e-6 for name, value in values.items())
    return () if usual else tuple(map(float, values.values()))


def _matches(row: Activation, saved: Saved) -> bool:
    # Without one of the bounds it is another function: clamp(min=0) has no maximum.
    bounds = (name.removeprefix("-") for name in row.bounds if name)
    return all(saved(row.kept.get(name, name)) is not None for name in bounds) and all(
        _close(saved(name), value) for name, value in (row.saved or {}).items()
    )


def _close(value: Any, expected: float | None) -> bool:
    return value is None if expected is None else _is_number(value) and abs(value - expected) < 1e-3


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float))

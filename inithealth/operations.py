"""Changes of a model as data: a closed set of operations, which contain names and numbers but no code."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from inithealth.recorded_tensor import Count

_PARAMETRIZED = re.compile(r"\.?parametrizations\.(\w+)\.original\d*$")
_NORM_SUFFIXES = ("_v", "_g")  # direction and magnitude of `torch.nn.utils.weight_norm`


def _rounded(value: float, digits: int) -> float:
    rounded = float(f"{value:.{digits}g}")
    if not math.isfinite(rounded):  # the largest floats are rounded up to infinity
        raise ValueError(f"is too large: {value}")
    return rounded


def _two_digits(value: float) -> float:
    return _rounded(value, 2)


def _three_digits(value: float) -> float:
    return _rounded(value, 3)


# Rounded to the digits that the code shows, so that an operation and its code have the same effect.
Coarse = Annotated[float, Field(allow_inf_nan=False), AfterValidator(_two_digits)]
Fine = Annotated[float, Field(allow_inf_nan=False), AfterValidator(_three_digits)]
Initializer = Literal[
    "zeros", "ones", "normal", "uniform", "xavier_uniform", "kaiming_normal", "orthogonal", "eye"
]  # functions of torch.nn.init without the underscore
Nonlinearity = Literal["", "linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"]
_AMOUNTS: Mapping[str, tuple[int, ...]] = {"normal": (1, 2), "uniform": (2,), "eye": (1,)}
_MATRIX_ROWS = (2, 3)  # of an affine transformation in two and three dimensions


class _Operation(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Initialize(_Operation):
    """Initialize a parameter with a function of ``torch.nn.init``."""

    kind: Literal["initialize"] = "initialize"
    parameter: str  # as in named_parameters()
    initializer: Initializer
    numbers: tuple[Fine, ...] = ()  # normal: std, or mean and std; uniform: bounds; eye: rows of an affine matrix
    nonlinearity: Nonlinearity = ""  # sets the gain of kaiming_normal, and of xavier_uniform if there is one
    matrix: Count | None = None  # index of the only matrix of a stack to initialize; None: the whole parameter
    sets_magnitude: bool = False  # also set the magnitude of `torch.nn.utils.weight_norm` to the norms of the rows

    @model_validator(mode="after")
    def _fits(self) -> Initialize:
        if len(self.numbers) not in _AMOUNTS.get(self.initializer, (0,)):
            raise ValueError(f"{self.initializer} does not take {len(self.numbers)} numbers")
        if self.initializer == "normal" and self.numbers[-1] < 0:
            raise ValueError("a std is not negative")
        if self.initializer == "uniform" and self.numbers[0] > self.numbers[1]:
            raise ValueError("the lower bound is above the upper one")
        if self.initializer == "eye" and self.numbers[0] not in _MATRIX_ROWS:
            raise ValueError("an affine matrix has 2 or 3 rows")
        if self.nonlinearity and self.initializer not in ("kaiming_normal", "xavier_uniform"):
            raise ValueError(f"{self.initializer} takes no nonlinearity")
        if self.initializer == "kaiming_normal" and not self.nonlinearity:
            raise ValueError("kaiming_normal needs a nonlinearity")
        return self


class StartTimeSteps(_Operation):
    """Initialize the bias of time steps, which are its softplus, such that they start log-uniformly in a range."""

    kind: Literal["start_time_steps"] = "start_time_steps"
    parameter: str
    low: Fine  # natural logarithm of the shortest step
    high: Fine

    @model_validator(mode="after")
    def _ordered(self) -> StartTimeSteps:
        if self.low > self.high:
            raise ValueError("the lower bound is above the upper one")
        return self


class Fill(_Operation):
    """Set all elements of a parameter to one value."""

    kind: Literal["fill"] = "fill"
    parameter: str
    value: Coarse


class SetBias(_Operation):
    """Set all elements of a bias to one value, such as that of a prior."""

    kind: Literal["set_bias"] = "set_bias"
    parameter: str
    value: Fine


class Scale(_Operation):
    """Multiply a parameter by a factor."""

    kind: Literal["scale"] = "scale"
    parameter: str
    factor: Coarse


class ScaleByDepth(_Operation):
    """Divide a parameter by the square root of the number of residual branches, or multiply it."""

    kind: Literal["scale_by_depth"] = "scale_by_depth"
    parameter: str
    branches: int = Field(ge=1, lt=2**31)
    paired: bool = False  # two branches in each block: shown as 2 * blocks
    inverse: bool = False  # multiply, which undoes the division


class Freeze(_Operation):
    """Set ``requires_grad`` of a module or a parameter to False."""

    kind: Literal["freeze"] = "freeze"
    parameter: str  # or module, as in named_modules()


Operation = Annotated[
    Initialize | StartTimeSteps | Fill | SetBias | Scale | ScaleByDepth | Freeze, Field(discriminator="kind")
]


def parametrized(parameter: str) -> tuple[str, str] | None:
    """Return module and attribute of the parametrized weight that a parameter belongs to; None for other parameters."""
    found = _PARAMETRIZED.search(parameter)
    return None if found is None else (parameter[: found.start()], found.group(1))


def magnitude(direction: str) -> str:
    """Return the name of weight_norm's magnitude for its direction: ``fc.weight_v`` -> ``fc.weight_g``."""
    before, after = _NORM_SUFFIXES
    return direction.removesuffix(before) + after

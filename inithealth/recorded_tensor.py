"""Frozen statistics of single tensors: signals, weights and their initialization schemes."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_ROUNDING = 1e-6  # by which a share of sampled elements may exceed 0 and 1


def _not_negative(value: float) -> float:
    if value < 0:
        raise ValueError("a size is not negative")
    return value


def _share(value: float) -> float:
    if value < -_ROUNDING or value > 1 + _ROUNDING:
        raise ValueError("a share is between 0 and 1")
    return value


# The numbers in a report, which may come from anyone: no measurement gives others. NaN is allowed.
Count = Annotated[int, Field(ge=0, lt=2**63)]
Size = Annotated[float, AfterValidator(_not_negative)]
Share = Annotated[float, AfterValidator(_share)]
SMALLEST, LARGEST = 1e-30, 1e30  # constant factors that are recorded; others are recorded as the nearest one
Factor = Annotated[float, Field(ge=SMALLEST, le=LARGEST)]


def std_of(rms: float, mean: float) -> float:
    """Return the standard deviation; it neither overflows nor underflows, as squares would."""
    mean = min(abs(mean), rms)
    return math.sqrt(rms / 2 - mean / 2) * math.sqrt(rms / 2 + mean / 2) * 2


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class Signal(Frozen):
    """Statistics of one tensor, in fp32 or better for any dtype; non-finite elements are counted, not averaged."""

    numel: Count  # elements of the whole tensor
    sampled: Count  # elements that were read; equal to numel if exact
    mean: float
    rms: Size  # sqrt(mean(x^2))
    abs_max: Size
    zero_share: Share  # share of elements that are exactly 0
    non_finite: Count  # NaN or infinite elements among those sampled
    between: Size | None = None  # share of mean(x^2) that differs between the samples of the batch
    float16: bool = False  # stored as float16, which overflows at 65,504 and underflows below 6e-8

    @property
    def norm(self) -> float:
        """L2 norm of the whole tensor, extrapolated if it was sampled."""
        return float(self.rms * self.numel**0.5)

    @property
    def std(self) -> float:
        return std_of(self.rms, self.mean)


class Weight(Frozen):
    """One parameter at step 0. Rows are output units: the bias belongs to its row."""

    name: str  # as in named_parameters()
    shape: tuple[Count, ...]
    trainable: bool
    mean: float
    rms: Size
    abs_max: Size
    zero_share: Share
    non_finite: Count
    constant: bool  # all elements equal, more than one of them
    fan_in: Count | None = None  # None for vectors
    fan_out: Count | None = None
    zero_rows: Share = 0.0  # share of units whose weights (not bias) are all zero
    duplicate_rows: Share = 0.0  # share of units equal to an earlier non-zero unit of the same group
    row_cosine: float = 0.0  # mean cosine between the units
    tied_to: tuple[str, ...] = ()  # other names of the same parameter
    half_precision: bool = False
    kurtosis: Size | None = None  # of the elements around their mean: 3 for a normal, 1.8 for a uniform distribution
    spectral_edge: Size | None = None  # largest singular value (mean removed) over rms (sqrt(rows) + sqrt(columns))
    orthogonal: bool = False  # rows (or columns, if fewer) are orthogonal and of equal norm
    identity: bool = False  # ones on the (central) diagonal, zeros elsewhere
    tiny_share: Share = 0.0  # share of non-zero elements below 1e-20, which no initialization draws
    slice_rms: tuple[Size, ...] = ()  # of each matrix of a stack, such as experts or attention heads
    fingerprint: int = 0  # hash of the elements

    @property
    def std(self) -> float:
        return std_of(self.rms, self.mean)

    @property
    def gain(self) -> float | None:
        """rms(W) sqrt(fan_in): the factor by which the weights scale an uncorrelated signal."""
        return None if self.fan_in is None else self.rms * self.fan_in**0.5


class ForwardWrite(Frozen):
    """A parameter that the forward pass wrote, as a data-dependent initialization does in its first call."""

    non_finite: Count = 0  # NaN or infinite elements before, of those sampled
    broken: Count = 0  # NaN or infinite elements after, of those sampled
    contrast: Size | None = None  # largest factor over the median of those whose input varies; None: not finite
    broken_input: bool = False  # whether the module's input is NaN, infinite, or too large for a spread
    channels: Count = 0  # channels of the module's input; 0: not measured
    constant: tuple[Count, ...] = ()  # the first of them that do not vary in the batch
    constants: Count = 0  # how many do not
    source: Literal["input", "layers", "dead"] = "input"  # what computes these channels: trainable layers, dead units


class Scheme(Frozen):
    """The initialization that a weight's statistics match."""

    name: str  # "zeros", "identity", "orthogonal", "xavier", "kaiming", "lecun", "torch_default", "normal", ...
    text: str  # readable: "Kaiming normal (fan_in, relu)", "normal(0.02) / sqrt(24)"


class Update(Frozen):
    """The change of one weight in one optimizer step, from a sample of its elements."""

    weight: Size  # rms before
    change: Size  # rms of the difference
    unmoved: Share  # share of the elements that did not change
    rate: float | None = None  # learning rate; None: unknown
    usual: Size | None = None  # rms of the change by this optimizer if no gradient is too small; None: any


class Probation(Frozen):
    """State of the suspects (exact zeros, duplicates) after some optimizer steps."""

    steps: Count  # steps with lr > 0 that no scaler skipped
    settled: bool  # enough steps for a verdict
    asleep: tuple[str, ...] = ()  # parameters without gradient: exactly zero at every step
    zero_units: dict[str, Share] = {}  # parameter -> share of its units that are still zero
    duplicates: dict[str, Share] = {}  # parameter -> share of its units that are still duplicates

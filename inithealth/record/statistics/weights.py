"""Statistics of parameters, without running the network: scale, symmetry, spectrum, non-finite elements."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from inithealth.record.statistics.duplicates import first_equal as first_equal
from inithealth.record.statistics.duplicates import nonzero_rows, repeated_share, summary, unit_keys
from inithealth.record.statistics.exact import exact
from inithealth.record.statistics.pieces import all_equal, full, in_half_precision, is_large
from inithealth.record.statistics.spectrum import kurtosis, orthogonal, spectral_edge, strided
from inithealth.record.tensors import plain
from inithealth.recorded_tensor import std_of
from inithealth.recording import Weight

_TINY = 1e-20  # no initialization draws smaller numbers; uninitialized memory is full of them
_SAMPLE = 2**12  # elements: the standard error of a kurtosis of 3 is 0.08; a uniform distribution's is 1.8
_SMALL = 2**16  # elements that fit in a core's cache
_SAFE_MIN, _SAFE_MAX = 1e-15, 1e15  # outside this range squares overflow or underflow in fp32
_NOISE = 1e-5  # relative std below which fp32 is mostly rounding error
_COSINE_OF = 2**22  # elements: a mean over some thousand units is accurate enough


class _Numbers(NamedTuple):
    """Statistics of the single elements."""

    mean: float
    rms: float
    abs_max: float
    zero_share: float
    non_finite: int
    tiny_share: float
    constant: bool
    safe: bool  # all finite, and zero or within the range of fp32 squares

    @property
    def std(self) -> float:
        return 0.0 if self.constant else std_of(self.rms, self.mean)


def describe(
    name: str,
    tensor: Tensor,
    *,
    trainable: bool = True,
    fan_in: int | None = None,
    fan_out: int | None = None,
    rows: Tensor | None = None,
    bias: Tensor | None = None,
    groups: int = 1,
    tied_to: tuple[str, ...] = (),
) -> Weight | None:
    """Return the statistics of one parameter; None if it has no real values (meta, integers, empty).

    Args:
        rows: the same weight as [units, inputs], if its units are known.
        bias: [units], part of each unit.
        groups: units of different groups read different inputs and are no duplicates of each other.
    """
    values = plain(tensor)
    if values is None:
        return None
    half = in_half_precision(values)
    values = values if is_large(values) else full(values)
    numbers = _numbers(values)
    mark, differ = summary(tuple(tensor.shape), unit_keys(_lines(values)))
    units = None if rows is None else rows.to(values.dtype)
    return Weight(
        name=name,
        shape=tuple(tensor.shape),
        trainable=trainable,
        mean=numbers.mean,
        rms=numbers.rms,
        abs_max=numbers.abs_max,
        zero_share=numbers.zero_share,
        non_finite=numbers.non_finite,
        constant=numbers.constant,
        fan_in=fan_in,
        fan_out=fan_out,
        tied_to=tied_to,
        half_precision=half,
        identity=numbers.abs_max == 1.0 and values.ndim > 1 and _identity(values, numbers.zero_share, groups),
        tiny_share=numbers.tiny_share,
        fingerprint=mark,
        **_units(values, units, bias, groups, numbers, differ),
        **_spectrum(values, units, numbers, half, matrix=fan_in is not None),
    )


def _lines(values: Tensor) -> Tensor:
    return values.reshape(len(values), -1) if values.ndim > 1 else values.reshape(1, -1)


def _judged(units: Tensor | None, numbers: _Numbers) -> Tensor | None:
    """Return the units if there are several and all elements are finite; otherwise None."""
    return units if units is not None and len(units) > 1 and numbers.non_finite == 0 else None


def _units(
    values: Tensor, units: Tensor | None, bias: Tensor | None, groups: int, numbers: _Numbers, differ: bool
) -> dict[str, Any]:
    """Return the fields for zero, duplicate and similar units."""
    judged = _judged(units, numbers)
    # Rows with different bits differ, except for the sign of zeros.
    distinct = differ and numbers.zero_share == 0 and judged is not None and _same_view(judged, _lines(values))
    return {
        "zero_rows": 0.0 if units is None else _zero_rows(units, numbers),
        "duplicate_rows": 0.0
        if judged is None or distinct
        else repeated_share(first_equal(judged, bias, groups), judged),
        "row_cosine": 0.0 if judged is None else _row_cosine(judged, numbers),
    }


def _spectrum(values: Tensor, units: Tensor | None, numbers: _Numbers, half: bool, *, matrix: bool) -> dict[str, Any]:
    """Return the fields for the distribution of the elements."""
    judged = _judged(units, numbers)
    drawn = values.ndim > 1 and numbers.safe and numbers.std > _NOISE * numbers.abs_max
    # Matrices whose units are unknown, such as experts.
    rows = values.reshape(-1, values.shape[-1]) if units is None and matrix and drawn else units
    edge = spectral_edge(rows, numbers.mean, numbers.std) if drawn and rows is not None else None
    return {
        "kurtosis": kurtosis(full(strided(values, _SAMPLE)), numbers.mean) if drawn else None,
        "spectral_edge": edge,
        "orthogonal": judged is not None and numbers.safe and _orthogonal(values, judged, edge, half),
    }


def unit_rows(weight: Tensor, unit_axis: int | None) -> Tensor | None:
    """Return a weight of any shape as [units, inputs]; None for vectors and if the axis of the units is unknown."""
    values = plain(weight)
    if values is None or values.ndim < 2 or unit_axis is None:
        return None
    return values.movedim(unit_axis, 0).flatten(1)


def _numbers(values: Tensor) -> _Numbers:
    """Return the statistics of the elements; of large values in any precision."""
    count = values.numel()
    if count <= _SMALL and not is_large(values):
        sizes = values.abs()
        low, high = torch.aminmax(sizes)
        least, most = low.item(), high.item()
        if least >= _TINY and _SAFE_MIN < most < _SAFE_MAX:  # the usual case, with few calls, for speed
            flat = values.reshape(-1)
            rms = (torch.dot(flat, flat).item() / count) ** 0.5
            constant = count > 1 and least == most and bool((flat == flat[0]).all())
            return _Numbers(values.sum().item() / count, rms, most, 0.0, 0, 0.0, constant, True)
    signal = exact(values)
    if signal is None:
        raise ValueError("no values to measure")
    some = full(strided(values, _SAMPLE))
    sizes = some.abs()
    tiny = int(torch.count_nonzero((sizes < _TINY) & (sizes > 0))) / len(some) if signal.abs_max != 0 else 0.0
    even = count > 1 and signal.zero_share == 0 and not abs(signal.mean) < 0.9 * signal.abs_max
    return _Numbers(
        signal.mean,
        signal.rms,
        signal.abs_max,
        signal.zero_share,
        signal.non_finite,
        tiny,
        even and all_equal(values),
        signal.abs_max == 0 or (signal.non_finite == 0 and _SAFE_MIN < signal.abs_max < _SAFE_MAX),
    )


def _zero_rows(units: Tensor, numbers: _Numbers) -> float:
    if round(numbers.zero_share * units.numel()) < units.shape[1]:  # fewer zeros than a row has elements
        return 0.0
    return float((~nonzero_rows(units)).sum()) / len(units)


def _same_view(one: Tensor, other: Tensor) -> bool:
    return one.data_ptr() == other.data_ptr() and one.stride() == other.stride()


def _orthogonal(values: Tensor, units: Tensor, edge: float | None, half: bool) -> bool:
    """Return whether the units are orthogonal, or the slices along the first axis, as in torch.nn.init."""
    tolerance = 2e-2 if half else 1e-4  # rounding to 8 bits, and to 24
    if orthogonal(units, edge, tolerance):
        return True
    turned = values.ndim > 2 and units.data_ptr() != values.data_ptr()  # a transposed convolution
    return turned and orthogonal(values.flatten(1), None, tolerance)


def _identity(values: Tensor, zero_share: float, groups: int) -> bool:
    """Return whether the only non-zero elements are ones on the diagonal, at the center of the kernels."""
    center = values
    for size in reversed(values.shape[2:]):
        center = center[..., size // 2]
    ones, outputs = round((1 - zero_share) * values.numel()), len(center)
    for blocks in {1, groups}:
        if outputs % blocks == 0 and ones == blocks * min(outputs // blocks, center.shape[1]):
            diagonals = center.reshape(blocks, outputs // blocks, -1).diagonal(dim1=1, dim2=2)
            if bool((diagonals == 1).all()):
                return values.numel() > 1
    return False


def _row_cosine(rows: Tensor, numbers: _Numbers) -> float:
    """Return the mean cosine over all pairs of units, from the norm of their sum; of large weights, of some units."""
    rows = full(rows[:: -(-rows.numel() // _COSINE_OF)])
    if not numbers.safe:
        largest = rows.abs().amax(1, keepdim=True)
        rows = rows / largest.where(largest > 0, 1.0)
    lengths = torch.linalg.vector_norm(rows, dim=1)
    inverse, alive = lengths.reciprocal(), len(rows)
    if numbers.zero_share > 0 or not numbers.safe:
        inverse, alive = inverse.where(lengths > 0, 0.0), int(torch.count_nonzero(lengths))
    total = torch.mv(rows.t(), inverse)
    return (torch.dot(total, total).item() - alive) / max(alive * (alive - 1), 1)

"""Brute-force versions of every statistic, in plain Python and float64."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from inithealth.recording import Signal


def numbers(tensor: Tensor) -> list[float]:
    """Return all real numbers of a tensor; complex ones as pairs."""
    dense = tensor.detach().resolve_conj()
    dense = torch.view_as_real(dense) if dense.is_complex() else dense
    wide = dense.double() if dense.dtype.itemsize > 1 else dense.float().double()  # fp8 can only be cast to float
    return list(wide.reshape(-1).tolist())


def lists(rows: Tensor) -> list[list[float]]:
    """Return rows as lists of numbers."""
    return [list(row) for row in rows.double().tolist()]


def statistics(values: Sequence[float]) -> dict[str, float]:
    """Return the fields of a Signal."""
    finite = [value for value in values if math.isfinite(value)]
    top = max((abs(value) for value in finite), default=math.nan)
    scale = top or 1.0
    squares = math.fsum((value / scale) ** 2 for value in finite)
    return {
        "mean": scale * math.fsum(value / scale for value in finite) / len(finite) if finite else math.nan,
        "rms": scale * math.sqrt(squares / len(finite)) if finite else math.nan,
        "abs_max": top,
        "zero_share": sum(value == 0 for value in values) / len(values),
        "non_finite": len(values) - len(finite),
    }


def assert_shows(signal: Signal | None, values: Sequence[float], numel: int | None = None) -> None:
    """Assert that a signal has the statistics of these values, sampled from ``numel`` ones."""
    assert signal is not None
    wanted = statistics(values)
    # A mean near zero has fp32's cancellation error.
    tolerance = 2e-6 * wanted["abs_max"] if values and math.isfinite(wanted["abs_max"]) else 0.0
    assert signal.mean == pytest.approx(wanted["mean"], rel=1e-5, abs=tolerance, nan_ok=True)
    assert signal.rms == pytest.approx(wanted["rms"], rel=1e-5, abs=0, nan_ok=True)
    assert signal.abs_max == pytest.approx(wanted["abs_max"], rel=1e-6, abs=0, nan_ok=True)
    assert signal.zero_share == pytest.approx(wanted["zero_share"], abs=1e-12)
    assert signal.non_finite == wanted["non_finite"]
    assert signal.sampled == len(values)
    assert signal.numel == (len(values) if numel is None else numel)


def first_equal(rows: list[list[float]], bias: Sequence[float] | None, groups: int) -> list[int]:
    """Return the index of the first equal row of its group for each row, with its bias, by comparing all pairs."""
    size = max(1, len(rows) // max(1, groups))
    if size == 1:
        return list(range(len(rows)))
    units = [(row, bias[at] if bias is not None else 0.0, at // size) for at, row in enumerate(rows)]
    return [next(other for other, unit in enumerate(units) if unit == units[at]) for at in range(len(units))]


def cosine(rows: list[list[float]]) -> float:
    """Return the mean cosine over all pairs of non-zero rows."""
    lengths = [math.sqrt(math.fsum(v * v for v in row)) for row in rows]
    alive = [[v / length for v in row] for row, length in zip(rows, lengths, strict=True) if length > 0]
    pairs = [(a, b) for at, a in enumerate(alive) for b in alive[at + 1 :]]
    return sum(math.fsum(x * y for x, y in zip(a, b, strict=True)) for a, b in pairs) / len(pairs) if pairs else 0.0

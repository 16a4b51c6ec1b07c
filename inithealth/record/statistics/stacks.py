"""The scale of each matrix in a stack of matrices, such as the weights of experts in one parameter."""

from __future__ import annotations

from torch import Tensor

from inithealth.record.statistics.exact import norm_of
from inithealth.record.statistics.pieces import is_large
from inithealth.record.tensors import plain

_FEWEST, _MOST = 4, 1024  # matrices that are compared with each other: three are often query, key and value


def slice_rms(values: Tensor) -> tuple[float, ...]:
    """Return the rms of each matrix of a stack ``[matrices, rows, columns]``; () for other weights."""
    whole = plain(values)
    if whole is None or whole.ndim != 3 or not _FEWEST <= len(whole) <= _MOST:
        return ()
    if is_large(whole):
        return tuple(norm_of(matrix).item() / matrix.numel() ** 0.5 for matrix in whole)
    return tuple(whole.float().square().mean((1, 2)).sqrt().tolist())

"""How often the taps of a convolution's kernel read an input value instead of padding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache, reduce
from typing import Any

import numpy as np
import torch
from torch import Tensor

Places = np.ndarray[Any, np.dtype[np.float64]]

_LONGEST = 512  # positions along an axis that are counted: the edges of longer ones are negligible
_MOST_TAPS = 128  # taps whose pairs are counted; 11 x 11 is the largest dense kernel in common use


def pairs_met(
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    *,
    stride: int | tuple[int, ...] = 1,
    padding: int | str | tuple[int, ...] = 0,
    dilation: int | tuple[int, ...] = 1,
    output_padding: int | tuple[int, ...] = 0,
    transposed: bool = False,
) -> Tensor | None:
    """Return the share of outputs at which both of two taps read a value; the diagonal is each tap's share.

    Args:
        size: of the input, without batch and channels.
        kernel: taps along each of these axes; the other arguments are as in torch's functions.

    Returns:
        [taps, taps] in the kernel's order, read-only; None if every tap always reads a value.

    Raises:
        ValueError: the output would be empty.
    """
    count = len(kernel)
    dilations = _each(dilation, count)
    if isinstance(padding, str):
        reaches = [reach * (taps - 1) for reach, taps in zip(dilations, kernel, strict=True)]
        padding = tuple(reach // 2 if padding == "same" else 0 for reach in reaches)
    strides, paddings, extra = _each(stride, count), _each(padding, count), _each(output_padding, count)
    return _pairs(tuple(zip(size, kernel, strides, paddings, dilations, extra, strict=True)), transposed)


def _each(setting: int | tuple[int, ...], count: int) -> tuple[int, ...]:
    if isinstance(setting, int):
        return (setting,) * count
    values = tuple(setting)
    return values * count if len(values) == 1 else values


@lru_cache(maxsize=256)
def _pairs(axes: tuple[tuple[int, ...], ...], transposed: bool) -> Tensor | None:
    met = [_met(*axis, transposed=transposed) for axis in axes]
    if all(places.all() for places in met):
        return None
    if math.prod(axis[1] for axis in axes) > _MOST_TAPS:  # count the taps individually, as if they were independent
        alone = _product([places.mean(0) for places in met])
        return torch.outer(alone, alone)
    return _product([places.T @ places / len(places) for places in met])


def _product(each: Sequence[Places]) -> Tensor:
    """Return the Kronecker product, because the axes are independent."""
    return reduce(torch.kron, map(torch.from_numpy, each)).float()


def _met(size: int, taps: int, stride: int, padding: int, dilation: int, extra: int, *, transposed: bool) -> Places:
    """Return whether each tap of each output reads a value along one axis, [outputs, taps]."""
    size, reach = min(size, _LONGEST), dilation * np.arange(taps)
    if transposed:
        outputs = (size - 1) * stride - 2 * padding + int(reach[-1]) + extra + 1
        source = np.arange(max(0, outputs))[:, None] + padding - reach
        inside = (source % stride == 0) & (source >= 0) & (source < size * stride)
    else:
        outputs = (size + 2 * padding - int(reach[-1]) - 1) // stride + 1
        source = np.arange(max(0, outputs))[:, None] * stride - padding + reach
        inside = (source >= 0) & (source < size)
    if outputs < 1:
        raise ValueError(f"a kernel of {taps} taps is too large for an input of size {size}")
    met: Places = inside.astype(np.float64)
    return met

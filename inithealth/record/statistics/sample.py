"""Statistics of a strided sample of a tensor, in fp32 or better for any dtype.

:func:`sample` takes the sample immediately; :func:`batched` measures all samples of a step together, with one transfer
to the host.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from inithealth.record.statistics.exact import careful, safe
from inithealth.record.statistics.moments import Moments
from inithealth.record.tensors import plain
from inithealth.recording import Signal

_RUN = 4  # adjacent elements in a sample: a quarter of the cache misses, and nearly as independent


class Sample(NamedTuple):
    """A strided sample of a tensor, on the tensor's device."""

    values: Tensor  # float32 or float64, of any shape
    numel: int
    float16: bool = False


def sample(tensor: Tensor, most: int) -> Sample | None:
    """Return about ``most`` elements, strided over the whole tensor, as a copy: the tensor may change in place."""
    # The usual case first, with few calls, for speed.
    if tensor.dtype is torch.float32 and tensor.layout is torch.strided and not tensor.is_meta:
        numel = tensor.numel()
        if numel > most and tensor.is_contiguous():
            values = tensor.detach() if tensor.requires_grad else tensor
            return Sample(torch.as_strided_copy(values, *_stride(numel, most, tensor.shape[-1])), numel)
    return _sample_any(tensor, most)


def _sample_any(tensor: Tensor, most: int) -> Sample | None:
    """Return the sample for any dtype and layout; None if the tensor has no real values."""
    values = plain(tensor)
    if values is None:
        return None
    numel = values.numel()
    if numel > most:
        if not values.is_contiguous():  # a transposed tensor is sampled in its memory order
            values = values.permute(sorted(range(values.ndim), key=values.stride, reverse=True))
        if values.is_contiguous():
            values = values.as_strided(*_stride(numel, most, values.shape[-1]))
        else:
            values = _strided(values, most)
    wide = torch.float64 if values.dtype == torch.float64 else torch.float32
    return Sample(values.to(wide, copy=True), numel, values.dtype is torch.float16)


@lru_cache(maxsize=4096)
def _stride(numel: int, most: int, width: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return size and stride of a view of runs of adjacent elements, not aligned with the features."""
    step = -(-numel // most)
    while math.gcd(step, width) > 1:
        step += 1
    return (max(1, numel // (step * _RUN)), _RUN), (step * _RUN, 1)


def _strided(values: Tensor, most: int) -> Tensor:
    """Return about ``most`` elements of a tensor that is not contiguous, without copying all of it.

    Every dimension has a part in the stride: with one dimension alone, it could be the same image of every batch.
    """
    share, shape = values.numel() / most, values.shape
    for dim, size in enumerate(shape):
        rest = math.prod(shape[dim:])
        step = round(size ** (math.log(share) / math.log(rest))) if share > 1.0 and rest > 1 else 1
        values = values[(slice(None),) * dim + (slice(None, None, max(1, step)),)]
        share /= max(1, step)
    return values.contiguous()


def batched(samples: Sequence[Sample]) -> list[Signal]:
    """Return the statistics of many samples, with one transfer to the host per device."""
    groups: dict[tuple[torch.device, torch.dtype, torch.Size], list[Sample]] = {}
    for each in samples:
        groups.setdefault((each.values.device, each.values.dtype, each.values.shape), []).append(each)
    tables = [_table([each.values for each in group]) for group in groups.values()]
    numbers = _to_host([_rows(table) for table in tables])
    found: dict[int, Signal] = {}
    for group, table, rows in zip(groups.values(), tables, numbers, strict=True):
        count = table.shape[1]
        for place, (each, (low, high, total, norm, filled)) in enumerate(zip(group, rows, strict=True)):
            most, zeros = max(-low, high), 1.0 - filled / count
            if safe(most, count):
                moments = Moments(each.numel, each.values.numel(), total / count, norm / count**0.5, most, zeros)
            else:
                moments = careful(table[place], zeros)._replace(numel=each.numel)
            found[id(each)] = moments._replace(float16=each.float16).signal
    return [found[id(each)] for each in samples]


def _table(values: Sequence[Tensor]) -> Tensor:
    """Return tensors of the same shape as rows."""
    joined = torch.cat(list(values)) if values[0].ndim else torch.stack(list(values))
    return joined.view(len(values), -1)


def _rows(table: Tensor) -> Tensor:
    """Return minimum, maximum, sum, norm and number of non-zeros of each row; the first two are NaN with any NaN."""
    norm, filled = torch.linalg.vector_norm(table, dim=1), torch.count_nonzero(table, dim=1)
    # amin and amax are ten times faster than aminmax along a dimension.
    return torch.stack([table.amin(1), table.amax(1), table.sum(1), norm, filled], 1)


def _to_host(tables: Sequence[Tensor]) -> list[list[list[float]]]:
    """Return small tables as lists, with one transfer per device."""
    devices: dict[torch.device, list[int]] = {}
    for place, table in enumerate(tables):
        devices.setdefault(table.device, []).append(place)
    found: dict[int, list[list[float]]] = {}
    for places in devices.values():
        rows = iter(torch.cat([tables[place] for place in places]).tolist())
        for place in places:
            found[place] = [next(rows) for _ in range(tables[place].shape[0])]
    return [found[place] for place in range(len(tables))]

"""Tensor -> statistics, in fp32 or better whatever the dtype.

Two ways to the same numbers: :func:`exact` reads a whole tensor at once; :func:`sample` takes a strided
sample now and :func:`batched` measures all samples of a step together, with one transfer to the host.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from inithealth.recording import Signal

_RUN = 4  # neighbours in a sample: a quarter of the cache misses for hardly less independence

# Beyond these a sum of squares leaves fp32's range: 1e18^2 < 3.4e38, 1e-18^2 > 1.2e-38.
_SAFE_NORM, _SAFE_MIN = 1e18, 1e-18
LONG, _PIECE = 2**18, 2**12  # elements whose squares one fp32 sum can take, and that it takes at a time of longer ones


class Sample(NamedTuple):
    """A strided sample of a tensor, on the tensor's device, to be measured with others."""

    values: Tensor  # float32 or float64, of any shape
    numel: int


def floating_tensors(output: Any) -> Iterator[Tensor]:
    """The floating and complex tensors in whatever a module returns: nested tuples, dicts, dataclasses."""
    if isinstance(output, Tensor):
        if output.is_floating_point() or output.is_complex():
            yield output
    elif isinstance(output, PackedSequence):
        yield output.data
    elif isinstance(output, Mapping):
        for value in output.values():
            yield from floating_tensors(value)
    elif isinstance(output, (tuple, list)):
        for value in output:
            yield from floating_tensors(value)
    elif is_dataclass(output) and not isinstance(output, type):
        for item in fields(output):
            yield from floating_tensors(getattr(output, item.name, None))


def plain(tensor: Tensor) -> Tensor | None:
    """The dense real values behind any tensor, detached; None where there are none to read."""
    tensor = tensor.detach()
    if tensor.is_meta:
        return None
    if tensor.is_nested:
        tensor = tensor.values()
    elif tensor.layout != torch.strided:
        tensor = tensor.coalesce().values() if tensor.layout == torch.sparse_coo else tensor.values()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor.resolve_conj())
    if not tensor.is_floating_point() or tensor.numel() == 0:
        return None
    return tensor.float() if tensor.dtype.itemsize == 1 else tensor  # fp8 knows no arithmetic


def exact(tensor: Tensor) -> Signal | None:
    """Statistics of every element."""
    values = plain(tensor)
    if values is None:
        return None
    if values.dtype not in (torch.float32, torch.float64):
        values = values.float()
    count = values.numel()
    low, high = torch.aminmax(values)
    least, greatest = low.item(), high.item()
    most = max(-least, greatest)
    filled = count if least > 0 or greatest < 0 else _filled(values) if most != 0 else 0
    zeros = 1.0 - filled / count
    if not _safe(most, count):
        return _careful(values, zeros)
    if not most:
        return _signal(count, count, 0.0, 0.0, 0.0, 1.0)
    if count <= LONG:  # a dot product takes half the time of a norm
        flat = values.reshape(-1)
        norm, mean = torch.dot(flat, flat).item() ** 0.5, values.sum().item() / count
    else:
        norm, mean = norm_of(values).item(), values.mean().item()
    rms = norm / count**0.5
    return _signal(count, count, mean, rms, most, zeros)


def _filled(values: Tensor) -> int:
    """The number of elements that are not zero."""
    if values.device.type != "cpu":
        return int(torch.count_nonzero(values))
    return int(np.count_nonzero(values.bool().numpy()))  # numpy counts booleans ten times as fast


def norm_of(values: Tensor) -> Tensor:
    """L2 norm of real values, in fp32 or better; in pieces, since one fp32 sum of 1e7 squares is 1 % off."""
    dtype = torch.promote_types(values.dtype, torch.float32)
    if values.numel() > LONG:
        flat = values.reshape(-1)
        whole = flat[: flat.numel() // _PIECE * _PIECE].view(-1, _PIECE)
        pieces: Tensor = torch.linalg.vector_norm(whole, dim=1, dtype=dtype)
        rest: Tensor = torch.linalg.vector_norm(flat[whole.numel() :], dtype=dtype)
        values = torch.cat([pieces, rest[None]])
    norm: Tensor = torch.linalg.vector_norm(values, dtype=dtype)
    return norm


def _safe(most: float, count: int) -> bool:
    """Whether so many squares of at most ``most`` can be added in fp32."""
    return most == 0.0 or (most > _SAFE_MIN and most * count**0.5 < _SAFE_NORM)


def _careful(values: Tensor, zeros: float) -> Signal:
    """The same for values that are not finite, or whose squares leave fp32's range."""
    finite = values.isfinite()
    count = int(finite.sum())
    kept = values.double()[finite]
    most = float(kept.abs().max()) if count else math.nan
    scale = most if count and most > 0 else 1.0
    return Signal(
        numel=values.numel(),
        sampled=values.numel(),
        mean=float((kept / scale).mean()) * scale if count else math.nan,
        rms=float((kept / scale).square().mean().sqrt()) * scale if count else math.nan,
        abs_max=most,
        zero_share=zeros,
        non_finite=values.numel() - count,
    )


def sample(tensor: Tensor, most: int) -> Sample | None:
    """About ``most`` elements, strided over the whole tensor, copied at once: it may change in place later."""
    # In a training step the caches are cold: every call counts, so the usual tensor takes the fewest.
    if tensor.dtype is torch.float32 and tensor.layout is torch.strided and not tensor.is_meta:
        numel = tensor.numel()
        if numel > most and tensor.is_contiguous():
            values = tensor.detach() if tensor.requires_grad else tensor
            return Sample(torch.as_strided_copy(values, *_stride(numel, most, tensor.shape[-1])), numel)
    return _sample_any(tensor, most)


def _sample_any(tensor: Tensor, most: int) -> Sample | None:
    """The same for any dtype and layout."""
    values = plain(tensor)
    if values is None:
        return None
    numel = values.numel()
    if numel > most:
        if not values.is_contiguous():  # a turned tensor is sampled as it lies: the batch outside, the features within
            values = values.permute(sorted(range(values.ndim), key=values.stride, reverse=True))
        if values.is_contiguous():
            values = values.as_strided(*_stride(numel, most, values.shape[-1]))
        else:
            values = _strided(values, most)
    wide = torch.float64 if values.dtype == torch.float64 else torch.float32
    return Sample(values.to(wide, copy=True), numel)


@lru_cache(maxsize=4096)
def _stride(numel: int, most: int, width: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Size and stride of a view on runs of neighbours that does not fall into step with the features."""
    step = -(-numel // most)
    while math.gcd(step, width) > 1:
        step += 1
    return (max(1, numel // (step * _RUN)), _RUN), (step * _RUN, 1)


def _strided(values: Tensor, most: int) -> Tensor:
    """About ``most`` elements of a tensor that is not contiguous, without a copy of all of it."""
    share = values.numel() / most
    for dim, size in enumerate(values.shape):
        step = min(size, max(1, round(share)))
        if step > 1:
            values = values[(slice(None),) * dim + (slice(None, None, step),)]
            share /= step
    return values.contiguous()


def batched(samples: Sequence[Sample]) -> list[Signal]:
    """Statistics of many samples at once; one transfer to the host a device."""
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
            if _safe(most, count):
                signal = _signal(each.numel, each.values.numel(), total / count, norm / count**0.5, most, zeros)
            else:
                careful = _careful(table[place], zeros)
                signal = careful.model_copy(update={"numel": each.numel})
            found[id(each)] = signal
    return [found[id(each)] for each in samples]


def _table(values: Sequence[Tensor]) -> Tensor:
    """Tensors of one shape as rows."""
    joined = torch.cat(list(values)) if values[0].ndim else torch.stack(list(values))
    return joined.view(len(values), -1)


def _rows(table: Tensor) -> Tensor:
    """Lowest, highest, sum, norm and number of non-zeros of each row; NaN shows in the first two."""
    norm, filled = torch.linalg.vector_norm(table, dim=1), torch.count_nonzero(table, dim=1)
    # amin and amax take a tenth of the time of aminmax along a dimension.
    return torch.stack([table.amin(1), table.amax(1), table.sum(1), norm, filled], 1)


def _to_host(tables: Sequence[Tensor]) -> list[list[list[float]]]:
    """Small tables as lists, with one transfer a device."""
    devices: dict[torch.device, list[int]] = {}
    for place, table in enumerate(tables):
        devices.setdefault(table.device, []).append(place)
    found: dict[int, list[list[float]]] = {}
    for places in devices.values():
        rows = iter(torch.cat([tables[place] for place in places]).tolist())
        for place in places:
            found[place] = [next(rows) for _ in range(tables[place].shape[0])]
    return [found[place] for place in range(len(tables))]


def _signal(numel: int, sampled: int, mean: float, rms: float, most: float, zeros: float) -> Signal:
    return Signal(
        numel=numel,
        sampled=sampled,
        mean=mean,
        rms=rms,
        abs_max=most,
        zero_share=zeros,
        non_finite=0,
    )


def merged(signals: Sequence[Signal]) -> Signal | None:
    """One signal for several calls or several tensors of the same layer."""
    if len(signals) < 2:
        return signals[0] if signals else None
    finite = [s for s in signals if math.isfinite(s.rms)]
    counts = [s.numel * (1 - s.non_finite / s.sampled) for s in finite]
    parts = [(s, count / sum(counts)) for s, count in zip(finite, counts, strict=True)]
    top = max((s.abs_max for s in finite), default=math.nan)
    scale = top if top > 0 else 1.0
    mean_square = sum((s.rms / scale) ** 2 * part for s, part in parts)
    numel = sum(s.numel for s in signals)
    return Signal(
        numel=numel,
        sampled=sum(s.sampled for s in signals),
        mean=sum(s.mean * part for s, part in parts) if finite else math.nan,
        rms=mean_square**0.5 * scale if finite else math.nan,
        abs_max=top,
        zero_share=sum(s.zero_share * s.numel for s in signals) / numel,
        non_finite=sum(s.non_finite for s in signals),
    )


def scaled(signal: Signal | None, factor: float) -> Signal | None:
    """The statistics of the tensor times a positive number."""
    if signal is None or factor == 1.0:
        return signal
    sizes = {"mean": signal.mean * factor, "rms": signal.rms * factor, "abs_max": signal.abs_max * factor}
    return signal.model_copy(update=sizes)


def between_share(tensor: Tensor) -> float | None:
    """Share of mean(x^2) that differs from sample to sample (dim 0): 0 when the network sees all inputs alike."""
    values = plain(tensor)
    if values is None or values.ndim < 2 or values.shape[0] < 2:
        return None
    rounding = (torch.finfo(values.dtype).eps / 2) ** 2
    values = values.double()
    total = float(values.square().mean())
    if not math.isfinite(total) or total == 0.0:
        return None
    share = float(values.var(0, unbiased=False).mean()) / total
    return share if share > rounding else 0.0

"""Tensor -> statistics, in fp32 or better whatever the dtype.

Two ways to the same numbers: :func:`exact` reads a whole tensor at once; :func:`sample` takes a strided
sample now and :func:`batched` measures all samples of a step together, with one transfer to the host.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from inithealth.recording import Signal

# Beyond these a square leaves fp32's range: 1e18^2 < 3.4e38, 1e-18^2 > 1.2e-38.
_SAFE_MAX, _SAFE_MIN = 1e18, 1e-18
_ROWS = 64  # batch rows of a sample: enough to see units that no row opens


@dataclass(frozen=True)
class Sample:
    """A strided sample of a tensor, on the tensor's device, to be measured with others."""

    values: Tensor  # 1-d, float32
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
        tensor = torch.view_as_real(tensor)
    if not tensor.is_floating_point() or tensor.numel() == 0:
        return None
    return tensor


def exact(tensor: Tensor) -> Signal | None:
    """Statistics of every element."""
    values = plain(tensor)
    if values is None:
        return None
    if values.dtype not in (torch.float32, torch.float64):
        values = values.float()
    low, high = (float(x) for x in torch.aminmax(values))
    most = max(abs(low), abs(high))
    zeros = 1.0 - int(torch.count_nonzero(values)) / values.numel()
    if not math.isfinite(most) or not (_SAFE_MIN < most < _SAFE_MAX or most == 0.0):
        return _careful(values, zeros)
    rms = float(torch.linalg.vector_norm(values)) / values.numel() ** 0.5
    return Signal(
        numel=values.numel(),
        sampled=values.numel(),
        mean=float(values.mean()),
        rms=rms,
        abs_max=most,
        zero_share=zeros,
        non_finite=0,
    )


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
    """At most ``most`` elements, strided over batch and features, copied at once: the tensor may change in place."""
    values = plain(tensor)
    if values is None:
        return None
    numel = values.numel()
    if numel > most:
        rows = values.shape[0] if values.ndim > 1 else 1
        columns = numel // rows
        kept = min(rows, _ROWS, most)
        table = values.reshape(rows, columns) if values.is_contiguous() else values.flatten(1) if rows > 1 else values
        table = table.reshape(rows, columns)[:: -(-rows // kept)]
        values = table[:, :: _odd(-(-columns * table.shape[0] // most))]
    return Sample(values.to(torch.float32, copy=True).reshape(-1), numel)


def _odd(stride: int) -> int:
    """An odd stride does not fall into step with power-of-two widths."""
    return stride if stride % 2 else stride + 1


def batched(samples: Sequence[Sample]) -> list[Signal]:
    """Statistics of many samples at once; one transfer to the host a device."""
    if not samples:
        return []
    longest = max(s.values.numel() for s in samples)
    table = torch.nn.utils.rnn.pad_sequence([s.values for s in samples], batch_first=True, padding_value=0.0)
    counts = torch.tensor([s.values.numel() for s in samples], device=table.device, dtype=torch.float32)
    finite = table.isfinite()
    clean = torch.where(finite, table, 0.0)
    most = clean.abs().amax(1)
    scale = torch.where(most > 0, most, 1.0)
    scaled = clean / scale[:, None]
    bad = longest - finite.sum(1)
    kept = (counts - bad).clamp(min=1)
    mean = scaled.sum(1) / kept * scale
    rms = (scaled.square().sum(1) / kept).sqrt() * scale
    zeros = (counts - bad - (clean != 0).sum(1)) / counts
    rows = torch.stack([mean.double(), rms.double(), most.double(), zeros.double(), bad.double()], 1).tolist()
    return [_signal(s, *row) for s, row in zip(samples, rows, strict=True)]


def _signal(taken: Sample, mean: float, rms: float, most: float, zeros: float, bad: float) -> Signal:
    count = taken.values.numel()
    lost = int(bad) == count
    return Signal(
        numel=taken.numel,
        sampled=count,
        mean=math.nan if lost else mean,
        rms=math.nan if lost else rms,
        abs_max=math.nan if lost else most,
        zero_share=zeros,
        non_finite=int(bad),
    )


def merged(signals: Sequence[Signal]) -> Signal | None:
    """One signal for several calls or several tensors of the same layer."""
    if len(signals) < 2:
        return signals[0] if signals else None
    finite = [s for s in signals if math.isfinite(s.rms)]
    weight = sum(s.numel for s in finite) or 1
    numel = sum(s.numel for s in signals)
    top = max((s.abs_max for s in finite), default=math.nan)
    scale = top if top > 0 else 1.0
    mean_square = sum((s.rms / scale) ** 2 * s.numel for s in finite) / weight
    return Signal(
        numel=numel,
        sampled=sum(s.sampled for s in signals),
        mean=sum(s.mean * s.numel for s in finite) / weight if finite else math.nan,
        rms=mean_square**0.5 * scale if finite else math.nan,
        abs_max=top,
        zero_share=sum(s.zero_share * s.numel for s in signals) / numel,
        non_finite=sum(s.non_finite for s in signals),
    )


def between_share(tensor: Tensor) -> float | None:
    """Share of mean(x^2) that differs from sample to sample (dim 0): 0 when the network sees all inputs alike."""
    values = plain(tensor)
    if values is None or values.ndim < 2 or values.shape[0] < 2:
        return None
    values = values.double()
    total = float(values.square().mean())
    if not math.isfinite(total) or total == 0.0:
        return None
    return float(values.var(0, unbiased=False).mean()) / total

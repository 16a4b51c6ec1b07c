"""Tensor -> statistics of every element, in fp32 or better whatever the dtype."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from inithealth.record.statistics.moments import Moments
from inithealth.record.tensors import plain
from inithealth.recording import Signal

# Beyond these a sum of squares leaves fp32's range: 1e18^2 < 3.4e38, 1e-18^2 > 1.2e-38.
_SAFE_NORM, _SAFE_MIN = 1e18, 1e-18
LONG, _PIECE = 2**18, 2**12  # elements whose squares one fp32 sum can take, and that it takes at a time of longer ones


def exact(tensor: Tensor) -> Signal | None:
    """Statistics of every element."""
    values = plain(tensor)
    if values is None:
        return None
    if values.dtype is torch.float16:
        found = exact(values.float())
        return None if found is None else found.model_copy(update={"float16": True})
    if values.dtype not in (torch.float32, torch.float64):
        values = values.float()
    count = values.numel()
    low, high = torch.aminmax(values)
    least, greatest = low.item(), high.item()
    most = max(-least, greatest)
    filled = count if least > 0 or greatest < 0 else _filled(values) if most != 0 else 0
    zeros = 1.0 - filled / count
    if not safe(most, count):
        return careful(values, zeros).signal
    if not most:
        return Moments(count, count).signal
    if count <= LONG:  # a dot product takes half the time of a norm
        flat = values.reshape(-1)
        norm, mean = torch.dot(flat, flat).item() ** 0.5, values.sum().item() / count
    else:
        norm, mean = norm_of(values).item(), values.mean().item()
    rms = norm / count**0.5
    return Moments(count, count, mean, rms, most, zeros).signal


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


def safe(most: float, count: int) -> bool:
    """Whether so many squares of at most ``most`` can be added in fp32."""
    return most == 0.0 or (most > _SAFE_MIN and most * count**0.5 < _SAFE_NORM)


def careful(values: Tensor, zeros: float) -> Moments:
    """The same for values that are not finite, or whose squares leave fp32's range."""
    finite, numel = values.isfinite(), values.numel()
    count = int(finite.sum())
    if not count:
        return Moments(numel, numel, math.nan, math.nan, math.nan, zeros, numel)
    kept = values.double()[finite]
    most = float(kept.abs().max())
    kept /= most or 1.0
    mean, rms = float(kept.mean()) * most, float(kept.square().mean().sqrt()) * most
    return Moments(numel, numel, mean, rms, most, zeros, numel - count)


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

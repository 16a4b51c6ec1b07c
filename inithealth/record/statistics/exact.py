"""Statistics of all elements of a tensor, in fp32 or better for any dtype."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from inithealth.record.statistics.moments import Moments, combined
from inithealth.record.statistics.pieces import in_pieces, is_large
from inithealth.record.tensors import plain
from inithealth.recording import Signal

# Outside this range squares overflow or underflow in fp32: 1e18^2 < 3.4e38, 1e-18^2 > 1.2e-38.
_SAFE_NORM, _SAFE_MIN = 1e18, 1e-18
LONG, _PIECE = 2**18, 2**12  # elements of one accurate fp32 sum of squares, and of each piece of longer ones


def exact(tensor: Tensor) -> Signal | None:
    """Return the statistics of all elements; None if the tensor has no real values."""
    values = plain(tensor)
    if values is None:
        return None
    if is_large(values):
        return combined([signal for piece in in_pieces(values) if (signal := exact(piece)) is not None])
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
    if count <= LONG:  # a dot product is twice as fast as a norm
        flat = values.reshape(-1)
        norm, mean = torch.dot(flat, flat).item() ** 0.5, values.sum().item() / count
    else:
        norm, mean = norm_of(values).item(), values.mean().item()
    rms = norm / count**0.5
    return Moments(count, count, mean, rms, most, zeros).signal


def _filled(values: Tensor) -> int:
    """Return the number of non-zero elements."""
    if values.device.type != "cpu":
        return int(torch.count_nonzero(values))
    return int(np.count_nonzero(values.bool().numpy()))  # numpy counts booleans ten times faster


def norm_of(values: Tensor) -> Tensor:
    """Return the L2 norm, in fp32 or better; in pieces, because one fp32 sum of 1e7 squares has an error of 1 %."""
    dtype = torch.promote_types(values.dtype, torch.float32)
    if is_large(values):
        norms = [norm_of(piece).item() for piece in in_pieces(values)]
        return norm_of(torch.tensor(norms, dtype=dtype, device=values.device))
    if values.numel() > LONG:
        flat = values.reshape(-1)
        whole = flat[: flat.numel() // _PIECE * _PIECE].view(-1, _PIECE)
        pieces: Tensor = torch.linalg.vector_norm(whole, dim=1, dtype=dtype)
        rest: Tensor = torch.linalg.vector_norm(flat[whole.numel() :], dtype=dtype)
        values = torch.cat([pieces, rest[None]])
    norm: Tensor = torch.linalg.vector_norm(values, dtype=dtype)
    return norm


def safe(most: float, count: int) -> bool:
    """Return whether ``count`` squares of at most ``most`` can be added in fp32."""
    return most == 0.0 or (most > _SAFE_MIN and most * count**0.5 < _SAFE_NORM)


def careful(values: Tensor, zeros: float) -> Moments:
    """Return the moments of values that are not finite or whose squares are out of fp32's range."""
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
    """Return the share of mean(x^2) that differs between samples (dim 0): 0 if all samples are equal."""
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

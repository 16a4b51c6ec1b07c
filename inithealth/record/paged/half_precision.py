"""Products of a large half-precision weight in fp32, in pieces.

Processors without native half-precision arithmetic take minutes for them. Each element is the sum in fp32, rounded
once, so it is at least as exact as torch's.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from inithealth.record.statistics import pieces

_MM, _ADDMM = torch.ops.aten.mm.default, torch.ops.aten.addmm.default


def product(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor | None:
    """Return the result of a matrix product with a large half-precision matrix; None for other operations."""
    if kwargs or func not in (_MM, _ADDMM):
        return None
    left, right = args[-2:]
    if not pieces.in_half_precision(right) or not pieces.is_large(right) or pieces.is_large(left):
        return None
    total = _by_columns(left, right) if right.stride(0) == 1 else pieces.wide_product(left, right)
    if func is _ADDMM:
        total += args[0].float()
    return total.to(right.dtype)


def _by_columns(left: Tensor, right: Tensor) -> Tensor:
    """Multiply with the transpose of a matrix of rows."""
    wide, total = left.float(), torch.empty(len(left), right.shape[1])
    step = max(1, pieces.LARGE // 4 // right.shape[0])
    for start in range(0, right.shape[1], step):
        total[:, start : start + step] = wide @ right[:, start : start + step].float()
    return total

"""A number that changes with any element of a tensor."""

from __future__ import annotations

import torch
from torch import Tensor

_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_AT_ONCE = 1 << 20  # elements: temporary copies of 8 MB
_ODD = 0x9E3779B97F4A7C15 - (1 << 64)  # 2**64 over the golden ratio, as in splitmix64


def checksum(tensor: Tensor) -> Tensor:
    """Return the sum of the hashed elements modulo 2**64, on the tensor's device."""
    flat = tensor.reshape(-1)
    if flat.is_complex():
        flat = torch.view_as_real(flat).reshape(-1)
    bits = flat.view(_INTEGERS[flat.element_size()])
    parts = [_hashed(part.long()).sum() for part in bits.split(_AT_ONCE)]
    return torch.stack(parts).sum() if parts else torch.zeros((), dtype=torch.int64, device=tensor.device)


def _hashed(bits: Tensor) -> Tensor:
    """Return well mixed bits: in a sum of the bits themselves, equal steps up and down would cancel."""
    for shift in (30, 27):
        bits = (bits ^ (bits >> shift)) * _ODD
    return bits ^ (bits >> 31)

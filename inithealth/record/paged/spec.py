"""Where a tensor lies in its storage."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Spec:
    """The geometry of a tensor in a storage, which is known by the ``_cdata`` of the fake one."""

    storage: int
    dtype: torch.dtype
    size: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int
    conjugated: bool = False
    negated: bool = False

    @classmethod
    def of(cls, tensor: Tensor) -> Spec:
        """Return the geometry of a strided tensor."""
        return cls(
            storage=tensor.untyped_storage()._cdata,
            dtype=tensor.dtype,
            size=tuple(tensor.size()),
            stride=tuple(tensor.stride()),
            offset=int(tensor.storage_offset()),
            conjugated=tensor.is_conj(),
            negated=tensor.is_neg(),
        )

    @property
    def numel(self) -> int:
        """The number of elements."""
        return math.prod(self.size)

    def covers(self, nbytes: int) -> bool:
        """Return whether the elements are all of a storage of ``nbytes`` bytes, each of them once."""
        if self.offset or self.conjugated or self.negated or self.numel * self.dtype.itemsize != nbytes:
            return False
        expected = 1
        for stride, size in sorted(zip(self.stride, self.size, strict=True)):
            if size != 1:
                if stride != expected:
                    return False
                expected *= size
        return True

    def is_laid_out_like(self, other: Spec) -> bool:
        """Return whether the elements are in the same order in memory."""
        return self.size == other.size and self.stride == other.stride and self.offset == other.offset

    def view(self, storage: torch.UntypedStorage) -> Tensor:
        """Return the tensor in a real storage."""
        tensor = torch.empty(0, dtype=self.dtype).set_(storage, self.offset, self.size, self.stride)
        if self.conjugated:
            tensor = torch._conj(tensor)
        return torch._neg_view(tensor) if self.negated else tensor


def filled_blank(storage: torch.UntypedStorage, dtype: torch.dtype) -> None:
    """Fill uninitialized memory as the deterministic mode of torch does: NaN for floating point, else zeros."""
    values = torch.empty(0, dtype=dtype).set_(storage, 0, (storage.nbytes() // dtype.itemsize,), (1,))
    values.fill_(math.nan if dtype.is_floating_point or dtype.is_complex else 0)

"""Copies and restores the bytes of the memory that tensors use, whatever their dtype, shape and layout."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from inithealth.record.tensors import has_memory, span

_WORD = torch.int64  # comparing eight bytes at once is four times as fast as single bytes
_BYTES = _WORD.itemsize


class Storages:
    """The memory of several tensors. Tensors that share memory are copied once, in the range that they use."""

    def __init__(self) -> None:
        self._found: dict[int, _Storage] = {}

    def add(self, tensor: Tensor) -> None:
        """Add the memory of a strided tensor. It is not read if it is gone, as in models that free parameters."""
        storage = tensor.untyped_storage()
        found = self._found.setdefault(storage._cdata, _Storage(storage, storage.nbytes()))
        if tensor.numel() and has_memory(tensor):
            start = 0 if tensor.is_nested else int(tensor.storage_offset()) * tensor.element_size()
            found.include(start, storage.nbytes() if tensor.is_nested else span(tensor))

    def copy(self) -> Iterator[Callable[[], None]]:
        """Copy the bytes; yield a function for each storage that restores its size and bytes."""
        for each in self._found.values():
            each.copy()
            yield each.restore


@dataclass
class _Storage:
    storage: torch.UntypedStorage
    size: int
    low: int = -1
    high: int = 0
    before: Tensor | None = field(default=None, init=False)

    def include(self, low: int, high: int) -> None:
        """Include a range of bytes, rounded to whole words."""
        low, high = low // _BYTES * _BYTES, min(self.size, -(-high // _BYTES) * _BYTES)
        self.low = low if self.low < 0 else min(self.low, low)
        self.high = max(self.high, high)

    def copy(self) -> None:
        if self.high > self.low >= 0:
            self.before = self._bytes().clone()

    def restore(self) -> None:
        if self.storage.nbytes() != self.size:
            self.storage.resize_(self.size)
        if self.before is not None:
            live = self._bytes()
            if not torch.equal(live, self.before):
                live.copy_(self.before)

    def _bytes(self) -> Tensor:
        whole = (self.high - self.low) % _BYTES == 0 and self.storage.data_ptr() % _BYTES == 0
        dtype = _WORD if whole else torch.uint8
        view = torch.empty(0, dtype=dtype, device=self.storage.device)
        start, size = self.low // dtype.itemsize, (self.high - self.low) // dtype.itemsize
        return view.set_(self.storage, start, (size,), (1,))

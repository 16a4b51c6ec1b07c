"""Memory with fixed addresses that can be dropped and filled again, so that tensors and views of it stay valid."""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
from contextlib import suppress
from functools import lru_cache
from typing import Any

import torch

_HUGE = 2**22  # bytes from which pages of 2 MiB make filling fresh memory three times as fast
_MOVE = 1 | 2 | 4  # MREMAP_MAYMOVE, MREMAP_FIXED and MREMAP_DONTUNMAP of Linux 5.7


def refuse_platform() -> None:
    """Raise ValueError if memory cannot be dropped on this platform."""
    if not sys.platform.startswith("linux"):
        raise ValueError(f"memory= needs Linux, this is {sys.platform}: run the check in a Linux container")


class Region:
    """A range of addresses: physical memory is used from the first write until :meth:`drop`.

    Args:
        nbytes: size, above 0.
    """

    def __init__(self, nbytes: int) -> None:
        self.nbytes = nbytes
        self._map = mmap.mmap(-1, nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        if nbytes >= _HUGE:
            with suppress(OSError, AttributeError):  # the kernel may not have them
                self._map.madvise(mmap.MADV_HUGEPAGE)
        self.storage = torch.frombuffer(self._map, dtype=torch.uint8).untyped_storage()

    def drop(self) -> None:
        """Give the memory back. Until it is filled again, it reads as zeros."""
        self._map.madvise(mmap.MADV_DONTNEED)

    def take(self, other: Region) -> bool:
        """Take the memory of another region of the same size, which is much faster than fresh memory.

        Returns:
            whether it was possible. The other region then reads as zeros, and the values in this one are arbitrary.
        """
        if other.nbytes != self.nbytes or self.nbytes < _HUGE:
            return False
        here = self.storage.data_ptr()
        size = -(-self.nbytes // mmap.PAGESIZE) * mmap.PAGESIZE
        moved = _mremap()(other.storage.data_ptr(), size, size, _MOVE, here)
        return bool(moved == here)


@lru_cache(maxsize=1)
def _mremap() -> Any:
    function = ctypes.CDLL(None).mremap
    function.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p]
    function.restype = ctypes.c_void_p
    return function


def resident_bytes() -> int:
    """Return the physical memory that this process uses."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

"""Memory with fixed addresses that can be dropped and filled again, so that tensors and views of it stay valid."""

from __future__ import annotations

import mmap
import os
import sys
from contextlib import suppress

import torch

_HUGE = 2**22  # bytes from which pages of 2 MiB make filling fresh memory three times as fast


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


def resident_bytes() -> int:
    """Return the physical memory that this process uses."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

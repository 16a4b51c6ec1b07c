"""The pages of a model: storages whose values are made again whenever they are needed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import torch

from inithealth.record.paged.address_space import Region

SPARE = 2**26  # bytes for what an operation on a page allocates
_THREADS = 2  # threads that create values, beside the one that computes


class Recipe(Protocol):
    """How the values of one storage are made."""

    @property
    def scratch(self) -> int:
        """Most bytes of temporary tensors while it is filled."""

    def pieces(self) -> int:
        """Return the number of parts that can be filled independently."""

    def fill(self, storage: torch.UntypedStorage, piece: int | None = None) -> None:
        """Fill one part, by default all. Several threads may call this at once for different parts."""


class Page:
    """One storage and its recipe.

    Attributes:
        name: of the first parameter with this storage.
        kept: whether the model wrote to it, so that it must stay in memory.
        updates: called after it is filled, such as the steps of an optimizer.
    """

    def __init__(self, name: str, region: Region, recipe: Recipe) -> None:
        self.name, self.region, self.recipe = name, region, recipe
        self.kept = self.present = False
        self.updates: list[Callable[[], None]] = []
        self._making: list[Future[None]] = []

    @property
    def nbytes(self) -> int:
        return self.region.nbytes

    @property
    def needed(self) -> int:
        """Bytes that the process needs to use it."""
        return self.nbytes + self.recipe.scratch + SPARE

    def start(self, maker: ThreadPoolExecutor) -> None:
        """Begin to fill it in other threads."""
        if not self.present:
            self.present = True
            pieces = _Pieces(self.recipe.pieces())
            self._making = [maker.submit(self._fill, pieces) for _ in range(min(_THREADS, pieces.count))]

    def wait(self) -> None:
        """Wait until it is filled. Raises the error of its recipe."""
        if not self._making:
            return
        for each in self._making:
            each.result()
        self._making = []
        for update in self.updates:
            update()

    def drop(self) -> None:
        """Free its memory."""
        self._leave()
        self.region.drop()

    def give(self, other: Page) -> None:
        """Give its memory to another page of the same size."""
        self._leave()
        if not other.region.take(self.region):
            self.region.drop()

    def _leave(self) -> None:
        for each in self._making:
            each.result()
        self._making, self.present = [], False

    def _fill(self, pieces: _Pieces) -> None:
        for piece in pieces:
            self.recipe.fill(self.region.storage, piece)


class _Pieces:
    """Hands out the numbers of pieces to several threads, each number once."""

    def __init__(self, count: int) -> None:
        self.count, self._next, self._lock = count, 0, threading.Lock()

    def __iter__(self) -> Iterator[int]:
        while True:
            with self._lock:
                piece, self._next = self._next, self._next + 1
            if piece >= self.count:
                return
            yield piece


def maker() -> ThreadPoolExecutor:
    """Return the threads that fill pages."""
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="inithealth-values")


def stop(threads: ThreadPoolExecutor) -> None:
    """Stop them, and wait for what they are doing."""
    threads.shutdown(wait=True, cancel_futures=True)

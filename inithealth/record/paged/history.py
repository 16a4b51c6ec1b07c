"""The operations of a build in their order, and which of them one storage needs."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from heapq import heappop, heappush

import torch
from torch import Tensor

from inithealth.record.paged.operation import Operation


class History:
    """All operations that wrote a storage. It keeps the fake storages alive, so that none gets the id of another."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.dtypes: dict[int, torch.dtype] = {}
        self._storages: dict[int, torch.UntypedStorage] = {}
        self._writers: dict[int, list[int]] = defaultdict(list)

    def know(self, tensor: Tensor) -> int:
        """Return the id of a fake tensor's storage, which is kept from now on."""
        storage = tensor.untyped_storage()
        key = int(storage._cdata)
        if key not in self._storages:
            self._storages[key] = storage
            self.dtypes[key] = tensor.dtype
        return key

    def nbytes(self, key: int) -> int:
        """Return the size of a storage."""
        return self._storages[key].nbytes()

    def add(self, operation: Operation) -> None:
        """Add the operation that was run last."""
        for key in operation.writes:
            self._writers[key].append(len(self.operations))
        self.operations.append(operation)

    def version(self, key: int) -> int:
        """Return the position of the last operation that wrote a storage, or -1."""
        return self._before(key, len(self.operations))

    def needed(self, key: int) -> tuple[tuple[Operation, ...], frozenset[int]]:
        """Return the operations that give a storage its values, and the storages that are read before all is written.

        Writes that a later one hides are left out.
        """
        chosen: set[int] = set()
        blank: set[int] = set()
        seen: set[tuple[int, int]] = set()
        pending: list[tuple[int, int]] = []

        def push(storage: int, before: int) -> None:
            at = self._before(storage, before)
            if at < 0:
                blank.add(storage)
            elif (at, storage) not in seen:
                seen.add((at, storage))
                heappush(pending, (-at, storage))

        push(key, len(self.operations))
        while pending:
            at, storage = heappop(pending)
            operation = self.operations[-at]
            if storage not in operation.overwrites:
                push(storage, -at)
            if -at not in chosen:
                chosen.add(-at)
                for read in operation.reads:
                    push(read, -at)
        return tuple(self.operations[at] for at in sorted(chosen)), frozenset(blank)

    def _before(self, key: int, end: int) -> int:
        writers = self._writers.get(key, [])
        place = bisect_left(writers, end)
        return writers[place - 1] if place else -1

"""What fills one storage with the values that the model's own initialization gives it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from inithealth.record.paged.chain import chain_of
from inithealth.record.paged.history import History
from inithealth.record.paged.operation import Operation
from inithealth.record.paged.spec import Spec, filled_blank


class Recipe:
    """The operations that fill one storage.

    Args:
        history: all operations of the build so far.
        key: the id of the fake storage.
    """

    def __init__(self, history: History, key: int) -> None:
        self._key = key
        self._steps, self._blank = history.needed(key)
        used = {key}.union(*(step.reads | step.writes for step in self._steps))
        self._sizes = {each: history.nbytes(each) for each in used}
        self._dtypes = {each: history.dtypes[each] for each in used}
        self.nbytes = self._sizes[key]
        self.dtype = self._dtypes[key]
        self.written = bool(self._steps)
        self._last = {each: at for at, step in enumerate(self._steps) for each in step.reads | step.writes}
        self._chain = None if self._blank else chain_of(self._steps, key, self._sizes.__getitem__)
        self.scratch = self._chain.scratch if self._chain is not None else self._peak()

    def pieces(self) -> int:
        """Return the number of pieces that can be made in any order, also at the same time."""
        return self._chain.pieces if self._chain is not None else 1

    def fill(self, storage: torch.UntypedStorage, piece: int | None = None) -> None:
        """Fill a real storage of ``nbytes`` bytes, or one piece of it. Threads may do so at the same time."""
        with plain_torch():
            if self._chain is None:
                self._run(storage)
                return
            for each in range(self._chain.pieces) if piece is None else (piece,):
                self._chain.fill(storage, each)

    def _run(self, storage: torch.UntypedStorage) -> None:
        held = {self._key: storage}
        if self._key in self._blank:
            filled_blank(storage, self.dtype)

        def real(spec: Spec) -> Tensor:
            if spec.storage not in held:
                held[spec.storage] = torch.UntypedStorage(self._sizes[spec.storage])
                if spec.storage in self._blank:
                    filled_blank(held[spec.storage], self._dtypes[spec.storage])
            return spec.view(held[spec.storage])

        for at, step in enumerate(self._steps):
            for spec, result in zip(step.outputs, step.run(real), strict=False):
                if spec is not None:
                    self._keep(held, spec, result)
            for each in step.reads | step.writes:
                if self._last[each] == at and each != self._key:
                    held.pop(each, None)

    def _keep(self, held: dict[int, torch.UntypedStorage], spec: Spec, result: Tensor) -> None:
        found = result.untyped_storage()
        fits = Spec.of(result) == Spec(found._cdata, spec.dtype, spec.size, spec.stride, spec.offset)
        if fits and spec.storage != self._key and found.nbytes() >= self._sizes[spec.storage]:
            held[spec.storage] = found
            return
        if spec.storage not in held:
            held[spec.storage] = torch.UntypedStorage(self._sizes[spec.storage])
        spec.view(held[spec.storage]).copy_(result)

    def _peak(self) -> int:
        live: set[int] = set()
        peak = 0
        for at, step in enumerate(self._steps):
            live |= (step.reads | step.writes) - {self._key}
            twice = self.nbytes if self._makes_target(step) else 0  # the result is copied into the storage
            peak = max(peak, sum(self._sizes[each] for each in live) + twice)
            live = {each for each in live if self._last[each] > at}
        return peak

    def _makes_target(self, step: Operation) -> bool:
        return any(spec is not None and spec.storage == self._key for spec in step.outputs)


@contextmanager
def plain_torch() -> Iterator[None]:
    """Run without the modes that are active in this thread, without gradients and without autocast."""
    with (
        _disable_current_modes(),
        torch._C.DisableTorchFunction(),
        torch.no_grad(),
        torch.autocast("cpu", enabled=False),
    ):
        yield

"""Loads the parameters that an operation reads, right before it runs, within a limit of memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from types import TracebackType
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

from inithealth.record.paged.address_space import resident_bytes
from inithealth.record.paged.half_precision import product
from inithealth.record.paged.pages import SPARE, Page, maker, stop
from inithealth.record.paged.unformed import Factors, Unformed
from inithealth.record.tensors import tensors_within

# Operations that read the shape of their argument, not its values.
_SHAPE_ONLY = frozenset(
    "zeros_like ones_like empty_like full_like rand_like randn_like new_zeros new_ones new_empty new_full "
    "new_empty_strided is_same_size sym_size sym_stride sym_numel sym_storage_offset detach alias".split()
)


class Pager(TorchDispatchMode):
    """While it is active, every operation finds the pages that it reads in memory.

    The least recently used pages are dropped first. Operations see the values that a model in memory would have, so the
    results are the same bit for bit.

    Args:
        pages: in the order in which the model probably reads them.
        limit: bytes that the process may use more than the baseline.
        baseline: bytes that it used before the model was built.
        progress: called with this, when a page is loaded.

    Attributes:
        loads: number of pages that were loaded, each time counted.
        used: bytes used beyond the baseline when the last page was loaded.
        most: largest value of `used`.
        loading: the page that is loaded, or was loaded last.
    """

    def __init__(
        self, pages: Sequence[Page], limit: int, baseline: int, progress: Callable[[Pager], None] = lambda pager: None
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.limit, self.loads, self.used, self.most = limit, 0, 0, 0
        self.loading: Page | None = None
        self._last: Page | None = None  # that was read
        self.before_write: Callable[[Page], None] = lambda page: None
        self.unformed = Unformed()
        self._progress = progress
        self._pages = {page.region.storage._cdata: page for page in pages}
        self._present: OrderedDict[Page, None] = OrderedDict()  # the least recently used first
        self._bytes = 0
        self._after = dict(pairwise(pages))  # in a forward pass
        self._before: dict[Page, Page] = {}  # in a backward pass
        self._maker, self._baseline = maker(), baseline

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)  # type: ignore[no-untyped-call]
        stop(self._maker)
        self.unformed.clear()
        for page in self._pages.values():
            page.present = False
            page.region.drop()

    def of(self, tensor: Tensor) -> Page | None:
        """Return the page of a tensor; None for an ordinary tensor."""
        return self._pages.get(tensor.untyped_storage()._cdata) if tensor.layout is torch.strided else None

    def load(self, tensors: Sequence[Tensor]) -> None:
        """Load the pages of some tensors."""
        used = [page for each in tensors if (page := self.of(each))]
        if used:
            self._load(used, torch._C._current_graph_task_id() != -1)

    def update(self, page: Page, change: Callable[[], None]) -> None:
        """Change the values of a page now and whenever they are made again."""
        if page.kept:
            change()
            return
        page.updates.append(change)
        if page.present:
            self._drop(page)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, args = kwargs or {}, _with_tensor(func, args)
        backward = torch._C._current_graph_task_id() != -1
        role = _role(func)
        used = [page for each in tensors_within((args, kwargs)) if (page := self.of(each))] if role.reads else []
        if used:
            self._load(used, backward)
            if role.writes:
                self._note_writes(args, role.writes)
            if (found := product(func, args, kwargs)) is not None:
                return found
        elif backward and not kwargs and (placeholder := self.unformed.instead(func, args)) is not None:
            return placeholder
        return func(*(self.unformed.formed(args) if role.depends else args), **kwargs)

    def formed(self, gradient: Tensor | Factors) -> Tensor:
        """Return a gradient; one that was not formed is formed, and pages are dropped to make room for it."""
        if isinstance(gradient, Tensor):
            return gradient
        self._make_room(gradient.placeholder.nbytes, ())
        with _disable_current_modes():
            return gradient.formed()

    def _load(self, used: Sequence[Page], backward: bool) -> None:
        for page in used:
            self._begin(page, used)
        for page in used:
            page.wait()
            self._learn(page, backward)
        following = (self._before if backward else self._after).get(used[-1])
        if following is not None and not following.present and self._fits_beside(following, used):
            self._begin(following, used)

    def _fits_beside(self, page: Page, used: Sequence[Page]) -> bool:
        """Return whether a page can be made while an operation uses others."""
        return sum(each.nbytes for each in {*used, page}) + page.recipe.scratch <= self._room()

    def _begin(self, page: Page, used: Sequence[Page]) -> None:
        """Start to fill a page that is not in memory, and drop others to make room for it."""
        if page.present:
            self._present.move_to_end(page)
            return
        self._make_room(page.nbytes + page.recipe.scratch, used, page)
        self.loads, self.loading = self.loads + 1, page
        self._progress(self)
        page.start(self._maker)
        self._present[page] = None
        self._bytes += page.nbytes

    def _make_room(self, nbytes: int, used: Sequence[Page], page: Page | None = None) -> None:
        """Drop pages, preferably one whose memory a new page can take."""
        room = self._room()
        leaving = [each for each in self._present if not each.kept and each not in used]
        if page is not None and self._bytes + nbytes > room:
            alike = next((each for each in leaving if each.nbytes == page.nbytes), None)
            if alike is not None:
                alike.give(page)
                self._forget(alike)
                leaving.remove(alike)
        for each in leaving:
            if self._bytes + nbytes <= room:
                break
            self._drop(each)

    def _room(self) -> int:
        """Return how many bytes all pages may use."""
        self.used = resident_bytes() - self._baseline
        self.most = max(self.most, self.used)
        return self.limit - max(0, self.used - self._bytes) - SPARE

    def _drop(self, page: Page) -> None:
        page.drop()
        self._forget(page)

    def _forget(self, page: Page) -> None:
        del self._present[page]
        self._bytes -= page.nbytes

    def _learn(self, page: Page, backward: bool) -> None:
        """Remember the order of the forward pass."""
        if not backward and self._last is not None and self._last is not page:
            self._after[self._last] = page
            self._before[page] = self._last
        self._last = page

    def _note_writes(self, args: Sequence[Any], places: Sequence[int]) -> None:
        for each in tensors_within([args[place] for place in places if place < len(args)]):
            page = self.of(each)
            if page is not None and not page.kept:
                self.before_write(page)
                page.kept = True


def _with_tensor(func: Any, args: Any) -> Any:
    """Return the arguments with a tensor in the first place, where torch passes a saved Python number."""
    if args and isinstance(args[0], (bool, int, float)) and str(func._schema.arguments[0].type) == "Tensor":
        wide = {bool: torch.bool, int: torch.int64, float: torch.float64}[type(args[0])]
        return (torch.scalar_tensor(args[0], dtype=wide), *args[1:])
    return args


class _Role(NamedTuple):
    """What an operation does with its arguments."""

    depends: bool  # on more than their shapes
    reads: bool  # their values; a view does not
    writes: tuple[int, ...]  # the places of the arguments that it writes to


@lru_cache(maxsize=4096)
def _role(func: Any) -> _Role:
    depends = func._schema.name.partition("::")[2] not in _SHAPE_ONLY
    aliases = [each.alias_info for each in func._schema.arguments]
    writes = tuple(at for at, alias in enumerate(aliases) if alias is not None and alias.is_write)
    return _Role(depends, depends and not getattr(func, "is_view", False), writes)

"""Models whose parameters are pages with known values, for the tests."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from inithealth.record.paged.address_space import Region, resident_bytes
from inithealth.record.paged.pager import Pager
from inithealth.record.paged.pages import SPARE, Page

PIECES = 3


class Copied:
    """A recipe that copies values which stay in memory, in pieces."""

    scratch = 0

    def __init__(self, values: Tensor) -> None:
        self._values = values.detach().clone().view(torch.uint8).flatten()
        self.fills = 0

    def pieces(self) -> int:
        return PIECES

    def fill(self, storage: torch.UntypedStorage, piece: int | None = None) -> None:
        self.fills += 1
        bounds = [len(self._values) * at // PIECES for at in range(PIECES + 1)]
        start, stop = (0, bounds[-1]) if piece is None else bounds[piece : piece + 2]
        target = torch.empty(0, dtype=torch.uint8).set_(storage, start, (stop - start,), (1,))
        target.copy_(self._values[start:stop])


def paged(model: nn.Module) -> list[Page]:
    """Turn the matrices of a model into pages."""
    pages: dict[int, Page] = {}
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1:
            region = Region(parameter.nbytes)
            pages[id(parameter)] = Page(name, region, Copied(parameter))
            parameter.data = torch.empty(0, dtype=parameter.dtype).set_(region.storage, 0, parameter.shape)
    return list(pages.values())


def pager(pages: list[Page], room: int) -> Pager:
    """Return a pager that has room for that many bytes of pages."""
    return Pager(pages, room + SPARE, resident_bytes())

"""Reads the values of a model's tensors from a checkpoint instead of making them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from inithealth.record.paged.checkpoint import Checkpoint
from inithealth.record.paged.pages import Page, Recipe

_SCRATCH = 2**26  # bytes that reading one tensor needs
_MOST_NAMED = 3


@dataclass(frozen=True)
class Stored:
    """Makes the values of a storage, and overwrites them with those of a checkpoint.

    Args:
        others: makes what the tensors of the checkpoint do not cover; None if they cover everything.
        readers: each reads one tensor.
    """

    others: Recipe | None
    readers: tuple[Callable[[], None], ...]

    @property
    def scratch(self) -> int:
        return max(_SCRATCH, 0 if self.others is None else self.others.scratch)

    def pieces(self) -> int:
        return 1

    def fill(self, storage: torch.UntypedStorage, piece: int | None = None) -> None:
        if self.others is not None:
            self.others.fill(storage)
        for read in self.readers:
            read()


def read_from(checkpoint: Checkpoint, model: nn.Module, pages: Sequence[Page]) -> str:
    """Let pages and small tensors of a model have the values of a checkpoint. Returns a note on what is not in it.

    Raises:
        ValueError: the checkpoint has none of the model's tensors, or one of another shape.
    """
    tensors = dict(_named(model))
    names: dict[int, list[str]] = {}
    for name, tensor in tensors.items():
        names.setdefault(id(tensor), []).append(name)
    found = checkpoint.matched(tensors, tied=names.values())
    if not found:
        raise ValueError(f"the checkpoint has no tensor of {type(model).__name__}, such as {next(iter(tensors), '')}")
    _refuse_shapes(checkpoint, tensors, found)
    of_storage = {page.region.storage._cdata: page for page in pages}
    readers: dict[Page, dict[int, tuple[Tensor, Callable[[], None]]]] = {}
    for name, stored in found.items():
        tensor = tensors[name].detach()
        read, page = partial(checkpoint.reader(stored), tensor), of_storage.get(tensor.untyped_storage()._cdata)
        if page is None:
            read()
        else:
            readers.setdefault(page, {})[id(tensors[name])] = tensor, read
    for page, parts in readers.items():
        whole = sum(tensor.nbytes for tensor, _ in parts.values()) >= page.nbytes
        page.recipe = Stored(None if whole else page.recipe, tuple(read for _, read in parts.values()))
    return _missing([name for name, _ in model.named_parameters() if name not in found])


def _named(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from model.named_parameters(remove_duplicate=False)
    yield from model.named_buffers(remove_duplicate=False)


def _refuse_shapes(checkpoint: Checkpoint, tensors: Mapping[str, Tensor], found: Mapping[str, str]) -> None:
    for name, stored in found.items():
        mine, theirs = tuple(tensors[name].shape), checkpoint.shape(stored)
        if mine != theirs:
            raise ValueError(f"{name} has the shape {mine}, and {stored} in the checkpoint {theirs}: another model?")


def _missing(names: Sequence[str]) -> str:
    if not names:
        return "weights: all parameters are from the checkpoint"
    more = ", ..." if len(names) > _MOST_NAMED else ""
    shown = f"{', '.join(names[:_MOST_NAMED])}{more}"
    return f"weights: {len(names)} parameters are not in the checkpoint and keep their own initialization: {shown}"

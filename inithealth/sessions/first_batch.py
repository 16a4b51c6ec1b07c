"""Takes the first batch of a DataLoader or a LightningDataModule without changing either."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import copy
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from inithealth.record.sandbox.random_state import random_state

__tracebackhide__ = True  # pytest shows the line that calls `check`, not these


def first_batch(data: Any) -> tuple[Any, str]:
    """Return one batch and a note on its origin for the report; a batch is returned unchanged, with "".

    Random state is restored, including the loader's own generators. A bare iterator advances.

    Raises:
        ValueError: the loader or iterator is empty.
        Exception: errors of the dataset's own code, unchanged.
    """
    if isinstance(data, Iterator):
        batch = _next(data, data)
        return batch, f"batch: the next one of the given {type(data).__name__}, which has advanced"
    if not _gives_batches(data):
        return data, ""
    restore = random_state()
    try:
        return _first(_loader_of(data)), f"batch: the first one of {type(data).__name__}"
    finally:
        restore()


def _gives_batches(data: Any) -> bool:
    """Return whether it is a loader, a data module, or a mapping or list of loaders, as Lightning combines them."""
    if isinstance(data, Mapping) or type(data) in (list, tuple):
        parts = list(data.values() if isinstance(data, Mapping) else data)
        return bool(parts) and all(map(_gives_batches, parts))
    return isinstance(data, DataLoader) or is_data_module(data)


def is_data_module(data: Any) -> bool:
    """Return whether it has a training loader and is not a model."""
    return hasattr(data, "train_dataloader") and not isinstance(data, (nn.Module, type))


def _loader_of(data: Any) -> Any:
    if not is_data_module(data):
        return data
    module = copy(data)  # `setup` may set attributes, which the caller's object must not keep
    module.prepare_data()
    module.setup("fit")
    return module.train_dataloader()


def _first(loader: Any) -> Any:
    """Return one batch of each of several loaders, combined as in Lightning."""
    if isinstance(loader, Mapping):
        return {key: _first(each) for key, each in loader.items()}
    if isinstance(loader, (list, tuple)):
        return [_first(each) for each in loader]
    restore = _generators(loader)
    try:
        if isinstance(loader, DataLoader):
            # A copy has its own iterator, so persistent workers of a running epoch are not disturbed.
            loader = copy(loader)
            vars(loader)["_iterator"] = None
        return _next(iter(loader), loader)
    finally:
        for generator, state in restore:
            generator.set_state(state)


def _next(iterator: Iterator[Any], source: Any) -> Any:
    for batch in iterator:
        return batch
    raise ValueError(f"{type(source).__name__} yields no batch: it is empty, or drop_last leaves nothing")


def _generators(loader: Any) -> list[tuple[torch.Generator, torch.Tensor]]:
    """Return the random generators of a loader and its samplers, with their states."""
    sampler = getattr(loader, "batch_sampler", None)
    holders = (loader, getattr(loader, "sampler", None), sampler, getattr(sampler, "sampler", None))
    found = {id(each): each for each in (getattr(holder, "generator", None) for holder in holders)}
    return [(each, each.get_state()) for each in found.values() if isinstance(each, torch.Generator)]

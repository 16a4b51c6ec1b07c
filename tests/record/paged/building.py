"""Builds models deferred and makes their values, for the tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from inithealth.record.paged.build import Built, build_deferred
from inithealth.record.paged.recipe import Recipe

LIMIT = 2**22


class Holder(nn.Module):
    """A module whose constructor is a function."""

    def __init__(self, fill: Callable[[Any], Any]) -> None:
        super().__init__()
        fill(self)


def holding(fill: Callable[[Any], Any]) -> Callable[[], Holder]:
    """Return a factory of a module that the function fills."""
    return lambda: Holder(fill)


def build(factory: Callable[[], Any], *, seed: int = 0, small: int = 0, limit: int = LIMIT, init: Any = None) -> Built:
    """Build deferred from a seed, without a change of the random state."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build_deferred(factory, small=small, limit=limit, init=init)


def made(factory: Callable[[], Any], **how: Any) -> Any:
    """Return what a deferred factory made, with all values."""
    built = build(factory, **how)
    fill(built)
    return built.made


def fill(built: Built) -> None:
    """Make all values."""
    for region, recipe in built.regions:
        recipe.fill(region.storage)


def recipes(built: Built) -> list[Recipe]:
    """Return what makes the values of the large storages."""
    return [recipe for _, recipe in built.regions]


def recipe_of(built: Built, tensor: Tensor) -> Recipe:
    """Return the recipe of a tensor."""
    of = {region.storage._cdata: recipe for region, recipe in built.regions}
    return of[tensor.untyped_storage()._cdata]


def bits(storage: torch.UntypedStorage) -> Tensor:
    """Return the bytes of a storage."""
    return torch.empty(0, dtype=torch.uint8).set_(storage, 0, (storage.nbytes(),), (1,))


def tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield all parameters and buffers."""
    yield from model.named_parameters(remove_duplicate=False)
    yield from model.named_buffers(remove_duplicate=False)


def differences(model: nn.Module, twin: nn.Module) -> list[str]:
    """Return the names of tensors that are no other draw of the same distribution as those of the twin."""
    others = dict(tensors(twin))
    assert [name for name, _ in tensors(model)] == list(others)
    return [name for name, tensor in tensors(model) if not _is_alike(tensor, others[name])]


def _is_alike(one: Tensor, other: Tensor) -> bool:
    kind = (type(one), one.dtype, one.shape, one.stride(), one.requires_grad)
    if kind != (type(other), other.dtype, other.shape, other.stride(), other.requires_grad):
        return False
    if torch.equal(one, other):
        return True
    first, second = _plain(one), _plain(other)
    spread = second.std() if second.numel() > 1 else second.new_tensor(0.0)
    if spread == 0 or int((first == 0).sum()) != int((second == 0).sum()):
        return False
    error = 6 / second.numel() ** 0.5
    return bool((first.mean() - second.mean()).abs() <= error * spread and (first.std() / spread - 1).abs() <= error)


def _plain(tensor: Tensor) -> Tensor:
    values = tensor.detach()
    return (torch.view_as_real(values) if values.is_complex() else values).double().flatten()

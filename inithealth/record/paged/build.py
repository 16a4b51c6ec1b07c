"""Builds a model whose large tensors have no memory, with a recipe for each."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

from inithealth.record.layers.wrapper_prefixes import compiled_modules
from inithealth.record.paged.address_space import Region
from inithealth.record.paged.build_log import BuildLog
from inithealth.record.paged.errors import CannotDefer as CannotDefer
from inithealth.record.paged.errors import cannot_defer, definition_line, raising_line
from inithealth.record.paged.recipe import Recipe
from inithealth.record.paged.spec import Spec
from inithealth.record.paged.swap import become_real, living, place_of
from inithealth.record.paged.torch_functions import FunctionsOfTensors, replaced

SMALL = 2**16  # bytes of tensors that stay in memory: biases, and the weights of norms
_WITHOUT_VALUES = ("FakeTensor", "fake tensor", "Tensor subclass", "'meta' device")


@dataclass(frozen=True)
class Built:
    """A model whose tensors are real.

    Args:
        made: what the factory returned.
        regions: the memory of the large tensors.
    """

    made: Any
    regions: list[tuple[Region, Recipe]]


def build_deferred(
    factory: Callable[[], Any], *, init: Callable[[nn.Module], Any] | None = None, small: int | None = None, limit: int
) -> Built:
    """Build a model without the memory for its weights.

    The random numbers of the process are used, and advanced by one for each tensor that is drawn.

    Args:
        factory: returns a module, or a tuple with one in it.
        init: initializes the module after it was built, perhaps on the meta device.
        small: bytes up to which a storage is made at once; by default 64 KiB.
        limit: bytes that values that the factory reads may take, and values that it copies from outside.

    Raises:
        CannotDefer: the factory needs values, or kinds of tensors, that cannot be made later.
    """
    mode, log = FakeTensorMode(allow_non_fake_inputs=True), BuildLog(limit)
    try:
        with mode, log, FunctionsOfTensors(log), replaced(log):
            made = factory()
            _initialize(made, factory, init)
    except CannotDefer:
        raise
    except (RuntimeError, NotImplementedError, TypeError) as error:
        if not any(word in str(error) for word in _WITHOUT_VALUES):
            raise
        raise _unsupported(error) from error
    _refuse_real(made, log, limit)
    real = _RealTensors(log, SMALL if small is None else small, limit)
    gc.collect()
    become_real([tensor for tensor in living(mode) if tensor.device.type != "meta"], real.of)
    if living(mode):
        gc.collect()
        _refuse_fake(made, mode)
    return Built(made, real.regions)


def refuse_compiled(model: nn.Module) -> None:
    """Raise ValueError if a part of the model is compiled."""
    if compiled_modules(model):
        raise ValueError("compiled code reads parameters that are not in memory: build the model without torch.compile")


class _RealTensors:
    """The real tensors of the fake ones."""

    def __init__(self, log: BuildLog, small: int, limit: int) -> None:
        self._log, self._small, self._limit = log, small, limit
        self._storages: dict[int, torch.UntypedStorage] = {}
        self.regions: list[tuple[Region, Recipe]] = []

    def of(self, tensor: Tensor) -> Tensor:
        """Return the real tensor of a fake one, with its values if its storage is small."""
        key = self._log.history.know(tensor)
        if key not in self._storages:
            self._storages[key] = self._added(key)
        return Spec.of(tensor).view(self._storages[key])

    def _added(self, key: int) -> torch.UntypedStorage:
        recipe = Recipe(self._log.history, key)
        if recipe.nbytes <= self._small and recipe.scratch <= self._limit:
            storage = torch.UntypedStorage(recipe.nbytes)
            recipe.fill(storage)
            return storage
        region = Region(recipe.nbytes)
        self.regions.append((region, recipe))
        return region.storage


def _initialize(made: Any, factory: Callable[[], Any], init: Callable[[nn.Module], Any] | None) -> None:
    model = next((part for part in (made if isinstance(made, (tuple, list)) else (made,)) if _is_module(part)), None)
    if model is None:
        return
    without = [name for name, tensor in _tensors(model) if tensor.device.type == "meta"]
    if init is None and without:
        raise cannot_defer(
            f"the factory built {without[0]!r} on the meta device and nothing initializes it: build the model without "
            "`torch.device('meta')`, or pass `init=`, a function that initializes it.",
            line=definition_line(factory),
        )
    if init is not None:
        if without:
            model.to_empty(device="cpu")
        init(model)


def _is_module(value: Any) -> bool:
    return isinstance(value, nn.Module)


def _tensors(model: nn.Module) -> list[tuple[str, Tensor]]:
    return [*model.named_parameters(), *model.named_buffers()]


def _unsupported(error: Exception) -> CannotDefer:
    reason = str(error).strip().splitlines()[0]
    kind = re.search(r"new Tensor subclass (\w+)", reason)
    if kind:
        lazy = "a layer that is not lazy" if kind[1].startswith("Uninitialized") else "torch.nn.Parameter"
        return cannot_defer(
            f"a tensor of the class {kind[1]} cannot be made later: use {lazy}, or check the built model without "
            "`memory`.",
            line=raising_line(error.__traceback__),
        )
    return cannot_defer(
        f"this needs a tensor's values or memory while the model is built ({reason}): use operations of torch, or "
        "check the built model without `memory`.",
        line=raising_line(error.__traceback__),
    )


def _refuse_real(made: Any, log: BuildLog, limit: int) -> None:
    """Raise CannotDefer if tensors of the model that were made outside of torch take too much memory."""
    size = 0
    for part in made if isinstance(made, (tuple, list)) else (made,):
        for name, tensor in _tensors(part) if isinstance(part, nn.Module) else ():
            if not isinstance(tensor, FakeTensor):
                size += tensor.numel() * tensor.itemsize
                if size > limit:
                    raise cannot_defer(
                        f"with {name!r}, tensors that existed before or were made by NumPy take {size:,} bytes, more "
                        f"than the {limit:,} bytes that can be held: initialize them with operations of torch, or "
                        "raise the memory.",
                        line="model",
                    )


def _refuse_fake(made: Any, mode: FakeTensorMode) -> None:
    """Raise CannotDefer if a tensor of the model could not be turned into a real one."""
    for tensor in living(mode):
        place = place_of(tensor, made)
        if place is not None:
            raise cannot_defer(
                f"the tensor {tuple(tensor.shape)} in {place} cannot be made later: make it a parameter, a buffer or "
                "an attribute of a module, or check the built model without `memory`.",
                line="model",
            )

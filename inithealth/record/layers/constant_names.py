"""The names of the buffers and parameters that an operation uses as constants."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import torch
from torch import Tensor, nn

from inithealth.record.layers.wrapper_prefixes import strip


class ConstantNames:
    """Finds the buffer or parameter that a tensor is, or is a view or a cast of.

    Args:
        model: the model without its wrappers.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model

    def of(self, tensor: Tensor) -> str | None:
        """Return the name of a tensor: of one in the same memory, else of the only one with the same values."""
        if not _in_memory(tensor):
            return None
        place, start = tensor.untyped_storage().data_ptr(), tensor.storage_offset()
        same: list[str] = []
        for name, each in self._named():
            if each.untyped_storage().data_ptr() == place and 0 <= start - each.storage_offset() < each.numel():
                return name
            if each.numel() == tensor.numel() and each.dtype != tensor.dtype and _equal(each, tensor):
                same.append(name)
        return same[0] if len(same) == 1 else None

    def in_order(self, names: Collection[str]) -> tuple[str, ...]:
        """Return the names in the order in which the model registers its buffers and parameters."""
        return tuple(dict.fromkeys(name for name, _ in self._named() if name in names))

    def is_parameter(self, name: str) -> bool:
        """Return whether the name is a parameter's and not a buffer's."""
        return any(strip(each) == name for each, _ in self._model.named_parameters())

    def _named(self) -> Iterator[tuple[str, Tensor]]:
        for named in (self._model.named_buffers(), self._model.named_parameters()):
            for name, tensor in named:
                if tensor.is_floating_point() and _in_memory(tensor):
                    yield strip(name), tensor.detach()


def _in_memory(tensor: Tensor) -> bool:
    return type(tensor) in (Tensor, nn.Parameter) and tensor.layout is torch.strided and tensor.device.type != "meta"


def _equal(one: Tensor, other: Tensor) -> bool:
    """Return whether a cast has the values of the other tensor, whatever their shapes."""
    return one.device == other.device and torch.equal(one.reshape(-1).to(other.dtype), other.reshape(-1))

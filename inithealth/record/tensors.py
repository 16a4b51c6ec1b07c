"""The real values in whatever a module takes or returns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence


def floating_tensors(output: Any) -> Iterator[Tensor]:
    """The floating and complex tensors in whatever a module returns: nested tuples, dicts, dataclasses."""
    if isinstance(output, Tensor):
        if output.is_floating_point() or output.is_complex():
            yield output
    elif isinstance(output, PackedSequence):
        yield output.data
    elif isinstance(output, Mapping):
        for value in output.values():
            yield from floating_tensors(value)
    elif isinstance(output, (tuple, list)):
        for value in output:
            yield from floating_tensors(value)
    elif is_dataclass(output) and not isinstance(output, type):
        for item in fields(output):
            yield from floating_tensors(getattr(output, item.name, None))


def plain(tensor: Tensor) -> Tensor | None:
    """The dense real values behind any tensor, detached; None where there are none to read."""
    tensor = tensor.detach()
    if tensor.is_meta:
        return None
    if tensor.is_nested:
        tensor = tensor.values()
    elif tensor.layout != torch.strided:
        tensor = tensor.coalesce().values() if tensor.layout == torch.sparse_coo else tensor.values()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor.resolve_conj())
    if not tensor.is_floating_point() or tensor.numel() == 0:
        return None
    return tensor.float() if tensor.dtype.itemsize == 1 else tensor  # fp8 knows no arithmetic


def is_sharded(tensor: Tensor) -> bool:
    """Whether each process holds a part of the tensor."""
    return hasattr(tensor, "full_tensor")


def own_part(tensor: Tensor) -> Tensor:
    """What this process holds of a tensor."""
    part: Tensor = getattr(tensor, "to_local", lambda: tensor)()
    return part


def put_together(tensor: Tensor) -> Tensor:
    """The whole tensor. Where it is sharded, every process has to ask for it at the same time."""
    whole: Tensor = getattr(tensor, "full_tensor", lambda: tensor)()
    return whole

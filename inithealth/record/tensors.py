"""Extracts real values from the arguments and results of modules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from inithealth.record.containers import tensors_in

_LAZY = (nn.parameter.UninitializedParameter, nn.parameter.UninitializedBuffer)


def floating_tensors(output: Any) -> Iterator[Tensor]:
    """Yield the floating-point and complex tensors in nested tuples, dicts and dataclasses."""
    return (tensor for _, tensor in tensors_in(output) if tensor.is_floating_point() or tensor.is_complex())


def plain(tensor: Tensor) -> Tensor | None:
    """Return the real values of a tensor, dense and detached; None if it has none."""
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
    return tensor.float() if tensor.dtype.itemsize == 1 else tensor  # fp8 has no arithmetic


def has_memory(tensor: Tensor) -> bool:
    """Return whether the values of a tensor are in memory. Models that fill parameters when they are used free it.

    Reading the values of such a tensor would end the process.
    """
    if isinstance(tensor, _LAZY) or is_traceable_wrapper_subclass(tensor):
        return True
    if tensor.is_meta:
        return False
    try:
        storage = tensor.untyped_storage()
        if storage.device.type == "meta":  # a fake tensor
            return False
        place, available = storage.data_ptr(), storage.nbytes()
    except (RuntimeError, NotImplementedError):  # sparse, or of another layout without a storage
        return True
    if tensor.is_nested or not tensor.numel():
        return True
    return place != 0 and (span(tensor) <= available or tensor.is_quantized)  # the latter may have half a byte each


def span(tensor: Tensor) -> int:
    """Return the number of bytes from the start of a strided tensor's storage to the end of its last element."""
    last = sum((size - 1) * step for size, step in zip(tensor.size(), tensor.stride(), strict=True))
    return int((tensor.storage_offset() + last + 1) * tensor.element_size())


def tensors_within(values: Any) -> Iterator[Tensor]:
    """Yield the tensors in the arguments or results of an operation of torch."""
    for value in values.values() if isinstance(values, Mapping) else values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (tuple, list, Mapping)):
            yield from tensors_within(value)


def is_sharded(tensor: Tensor) -> bool:
    """Return whether each process holds a shard of the tensor."""
    return hasattr(tensor, "full_tensor")


def local_shard(tensor: Tensor) -> Tensor:
    """Return this process's shard of a tensor; the tensor itself if it is not sharded."""
    shard: Tensor = getattr(tensor, "to_local", lambda: tensor)()
    return shard


def full_tensor(tensor: Tensor) -> Tensor:
    """Return the whole tensor. If it is sharded, every process must call this at the same time."""
    whole: Tensor = getattr(tensor, "full_tensor", lambda: tensor)()
    return whole

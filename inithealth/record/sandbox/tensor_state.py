"""What makes a tensor besides its bytes: its memory, shape, strides, dtype, gradient, hooks and class."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

_HOOKS = ("_backward_hooks", "_post_accumulate_grad_hooks")
_COMPRESSED = {
    torch.sparse_csr: ("crow_indices", "col_indices"),
    torch.sparse_bsr: ("crow_indices", "col_indices"),
    torch.sparse_csc: ("ccol_indices", "row_indices"),
    torch.sparse_bsc: ("ccol_indices", "row_indices"),
}


def components(tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors that hold the values of a sparse tensor or of a tensor of a wrapper class."""
    if is_traceable_wrapper_subclass(tensor):
        for name in tensor.__tensor_flatten__()[0]:
            yield name, getattr(tensor, name)
    elif tensor.layout == torch.sparse_coo:
        yield from (("indices", tensor._indices()), ("values", tensor._values()))
    elif tensor.layout in _COMPRESSED:
        for name in _COMPRESSED[tensor.layout]:
            yield name, getattr(tensor, name)()
        yield "values", tensor.values()


def is_strided(tensor: Tensor) -> bool:
    """Return whether its values are the bytes of its own storage."""
    return tensor.layout == torch.strided and not is_traceable_wrapper_subclass(tensor)


def restorer(tensor: Tensor) -> Callable[[], None]:
    """Return a function that restores everything about a tensor except the bytes in its memory."""
    kind, leaf, requires_grad = type(tensor), tensor.is_leaf, tensor.requires_grad
    version = None if tensor.is_inference() else tensor._version
    grad = tensor.grad if leaf else None
    hooks = {name: value for name in _HOOKS if (value := getattr(tensor, name, None)) is None}
    restore_form = _form(tensor)

    def restore() -> None:
        if type(tensor) is not kind:  # a lazy buffer becomes a plain one
            tensor.__class__ = kind
        if leaf and not tensor.is_leaf:  # an operation in place with a parameter
            tensor.detach_()
        if leaf and tensor.requires_grad and not requires_grad:  # before the values may become integers again
            tensor.requires_grad_(False)
        restore_form()
        if leaf:
            tensor.requires_grad_(requires_grad)
            if tensor.grad is not grad:
                tensor.grad = grad
        for name in hooks:
            if getattr(tensor, name, None) is not None:
                setattr(tensor, name, None)
        if version is not None:  # a graph of the caller may have saved this tensor, whose values are unchanged
            torch._C._autograd._unsafe_set_version_counter((tensor,), (version,))

    return restore


def _form(tensor: Tensor) -> Callable[[], None]:
    """Return a function that restores a tensor's memory, shape, strides and dtype."""
    if is_traceable_wrapper_subclass(tensor):  # its inner tensors are its attributes
        return lambda: None
    alias = tensor.detach()  # shares the memory and keeps its own shape
    if str(tensor.layout) == "torch._mkldnn":
        return _opaque(tensor)
    if tensor.layout != torch.strided or tensor.is_nested:
        return lambda: setattr(tensor, "data", alias)
    before = _described(alias)

    def restore() -> None:
        if _described(tensor) != before:
            tensor.data = alias

    return restore


def _described(tensor: Tensor) -> tuple[Any, ...]:
    place = tensor.untyped_storage()._cdata
    return (
        place,
        tensor.dtype,
        tensor.size(),  # of lazy buffers too, which have no shape
        tensor.stride(),
        tensor.storage_offset(),
        tensor.is_conj(),
        tensor.is_neg(),
    )


def _opaque(tensor: Tensor) -> Callable[[], None]:
    """Return a function that restores a tensor whose memory only its own operations can read."""
    version, before = tensor._version, tensor.detach().clone()

    def restore() -> None:
        if tensor._version != version:
            tensor.copy_(before)

    return restore

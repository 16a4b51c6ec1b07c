"""Functions of torch that do not work on tensors without values, and what is used instead while a model is built."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.overrides import TorchFunctionMode

from inithealth.record.paged.build_log import BuildLog
from inithealth.record.paged.swap import PARAMETER_CLASS, kind_of, own_attributes

_BEYOND_MEMORY = 2**61
_TRUNCATED = "_no_grad_trunc_normal_"


class FunctionsOfTensors(TorchFunctionMode):
    """Gives NumPy the values of tensors that have none, and copies such tensors."""

    def __init__(self, log: BuildLog) -> None:
        super().__init__()
        self._log = log

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        """Run a function of torch."""
        if args and isinstance(args[0], FakeTensor):
            if func is Tensor.data_ptr:
                return _address(args[0])
            if func in (Tensor.numpy, Tensor.__array__):
                args = (self._log.values(args[0]), *args[1:])
            elif func is Tensor.__deepcopy__ and args[0].is_leaf:
                return _copied(*args)
        return func(*args, **(kwargs or {}))


def _address(tensor: Tensor) -> int:
    """Return a number that differs between tensors as their addresses do, and is no address of any memory."""
    return _BEYOND_MEMORY + int(tensor.untyped_storage()._cdata) + int(tensor.storage_offset()) * tensor.itemsize


def _copied(tensor: Any, memo: dict[int, Any]) -> Any:
    """Return what `copy.deepcopy` makes of a tensor. Torch would copy the mode of a fake tensor with it."""
    if id(tensor) not in memo:
        made: Any = tensor.detach().clone().requires_grad_(tensor.requires_grad)
        if isinstance(tensor, nn.Parameter):
            made = nn.Parameter.__new__(kind_of(tensor), made, tensor.requires_grad)
        memo[id(tensor)] = made
        vars(made).update(copy.deepcopy(own_attributes(tensor), memo))
    return memo[id(tensor)]


@contextmanager
def replaced(log: BuildLog) -> Iterator[None]:
    """Replace functions of torch, and restore them."""
    swap, truncated = torch.utils.swap_tensors, getattr(nn.init, _TRUNCATED, None)
    new_parameter: Any = nn.Parameter.__new__

    def swapped(one: Any, other: Any) -> None:
        (exchange if isinstance(one, FakeTensor) and isinstance(other, FakeTensor) else swap)(one, other)

    def truncated_normal(
        tensor: Tensor, mean: float, std: float, a: float, b: float, generator: torch.Generator | None = None
    ) -> Tensor:
        # Torch repeats the draw until all numbers are within the bounds, which depends on the values.
        if isinstance(tensor, FakeTensor) and tensor.device.type != "meta":
            log.draw(truncated, tensor, (mean, std, a, b), generator)
            return tensor
        assert truncated is not None
        result: Tensor = truncated(tensor, mean, std, a, b, generator=generator)
        return result

    def parameter(kind: type, *args: Any, **kwargs: Any) -> Any:
        made = new_parameter(kind, *args, **kwargs)
        if isinstance(made, FakeTensor):
            made.__dict__[PARAMETER_CLASS] = kind  # torch forgets which subclass it was
        return made

    nn.Parameter.__new__ = parameter  # type: ignore[method-assign, assignment]
    torch.utils.swap_tensors = swapped
    if truncated is not None:
        setattr(nn.init, _TRUNCATED, truncated_normal)
    try:
        yield
    finally:
        nn.Parameter.__new__ = new_parameter  # type: ignore[method-assign]
        torch.utils.swap_tensors = swap
        if truncated is not None:
            setattr(nn.init, _TRUNCATED, truncated)


def exchange(one: Any, other: Any) -> None:
    """Exchange the contents of two fake tensors. Weak references, which torch refuses, stay to the same objects."""
    one.__class__, other.__class__ = other.__class__, one.__class__
    one.__dict__, other.__dict__ = other.__dict__, one.__dict__
    torch._C._swap_tensor_impl(one, other)

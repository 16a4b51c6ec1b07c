"""Turns the tensors without values of a built model into real ones, which stay the same Python objects."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable
from functools import cache
from types import CellType
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

PARAMETER_CLASS = "_class_of_parameter"  # an attribute of fake parameters: nn.Parameter or a subclass
_PARAMETER = "_is_param"


def living(mode: FakeTensorMode) -> list[FakeTensor]:
    """Return all fake tensors of a mode that are in use, those with a history first."""
    # `type` instead of `isinstance`, which runs code of proxies.
    found = [each for each in gc.get_objects() if issubclass(type(each), FakeTensor)]
    return sorted((each for each in found if each.fake_mode is mode), key=lambda tensor: tensor.is_leaf)


def become_real(tensors: Iterable[FakeTensor], real_of: Callable[[Tensor], Tensor]) -> None:
    """Turn fake tensors into real ones.

    Args:
        real_of: returns the real tensor of a fake one.
    """
    for tensor in tensors:
        real = real_of(tensor)
        real.requires_grad_(tensor.requires_grad and tensor.is_leaf)
        try:
            _become(tensor, real)
        except RuntimeError:  # code in C++ holds a weak reference to it
            _replace(tensor, _alike(tensor, real))


def _become(tensor: Any, real: Tensor) -> None:
    backward, accumulated = tensor._backward_hooks, tensor._post_accumulate_grad_hooks
    kind, kept, fake, attributes = kind_of(tensor), own_attributes(tensor), type(tensor), vars(tensor)
    torch._C._swap_tensor_impl(tensor, real)
    tensor.__class__, tensor.__dict__ = kind, kept
    real.__class__, real.__dict__ = fake, attributes  # a graph may hold it
    # A tensor's hooks are stored in its Python object and in the implementation that was exchanged.
    tensor._backward_hooks = backward
    tensor._post_accumulate_grad_hooks = accumulated


def _alike(tensor: Any, real: Tensor) -> Tensor:
    kind = kind_of(tensor)
    made: Any = real if kind is Tensor else torch.Tensor._make_subclass(kind, real, real.requires_grad)
    made.__dict__.update(own_attributes(tensor))
    made._backward_hooks = tensor._backward_hooks
    made._post_accumulate_grad_hooks = tensor._post_accumulate_grad_hooks
    return made  # type: ignore[no-any-return]


def kind_of(tensor: Any) -> type[Tensor]:
    """Return the class that a fake tensor has in an ordinary build."""
    kind: type[Tensor] = vars(tensor).get(PARAMETER_CLASS, nn.Parameter) if _PARAMETER in vars(tensor) else Tensor
    return kind


def own_attributes(tensor: Any) -> dict[str, Any]:
    """Return the attributes of a fake tensor that the model's code set."""
    return {name: value for name, value in vars(tensor).items() if name not in _fake_attributes()}


def _replace(old: Any, new: Any) -> None:
    """Put a tensor in the place of another one in everything that can be changed."""
    # A function of its own: in this one, the variables of a comprehension would be among what holds the tensor.
    for holder in gc.get_referrers(old):
        _put(holder, old, new)


def _put(holder: Any, old: Any, new: Any) -> None:
    if isinstance(holder, list):
        holder[:] = [new if each is old else each for each in holder]
    elif isinstance(holder, CellType):
        holder.cell_contents = new
    held = holder if isinstance(holder, dict) else getattr(holder, "__dict__", None)
    if isinstance(held, dict):
        for name in [name for name, value in held.items() if value is old]:
            held[name] = new


def place_of(value: Any, made: Any) -> str | None:
    """Return the name of the attribute through which a value is reached from what the factory made, or None."""
    names = {id(module): name for module in _modules(made) for name, module in module.named_modules()}
    seen, queue = {id(made)}, [(made, "the model")]
    for holder, place in queue:
        if holder is value:
            return place
        if id(holder) in names:
            place = names[id(holder)] or "model"
        for name, each in _held(holder):
            if id(each) not in seen and not isinstance(each, (type, str, int, float, bytes)):
                seen.add(id(each))
                queue.append((each, f"{place}.{name}" if name else place))
    return None


def _modules(made: Any) -> list[nn.Module]:
    parts = made if isinstance(made, (tuple, list)) else (made,)
    return [part for part in parts if isinstance(part, nn.Module)]


def _held(holder: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(holder, dict):
        return [(str(name), value) for name, value in holder.items()]
    if isinstance(holder, (list, tuple, set, frozenset)):
        return [("", value) for value in holder]
    if isinstance(holder, nn.Module):
        parts = (holder._parameters, holder._buffers, holder._modules, vars(holder))
        return [(str(name), value) for part in parts for name, value in part.items()]
    cells = getattr(holder, "__closure__", None) or ()
    found = [("", each.cell_contents) for each in cells if _is_filled(each)]
    return found + [(name, value) for name, value in getattr(holder, "__dict__", {}).items()]


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


@cache
def _fake_attributes() -> frozenset[str]:
    with FakeTensorMode():
        return frozenset(vars(torch.empty(0))) | {_PARAMETER, PARAMETER_CLASS}

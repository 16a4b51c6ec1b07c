"""Restores the state of the model and of the process bit for bit, also after an error."""

from __future__ import annotations

import random
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from inithealth.record.collection import collection_paused

# nn.Module's registries: restored in place, because hook handles refer to the dict itself.
_REGISTRIES = ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set")
_LAZY = (nn.parameter.UninitializedParameter, nn.parameter.UninitializedBuffer)
_PLAIN = frozenset({bool, int, float, str, tuple, type(None), dict, OrderedDict, list, set})
_CONTAINERS = (list, dict, set)  # a forward pass may append to them: losses of the epoch, a cache


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Restore parameters, buffers, gradients, requires_grad, modes, hooks, attributes and random state on exit.

    Attributes include tensors, lists, dicts, sets and random generators of the modules that change in place,
    but not the contents of other objects. In the context every ``.grad`` is None, so gradients are not accumulated.
    """
    restorers = [*(_module(m) for m in model.modules()), *_tensors(model), random_state()]
    try:
        for parameter in model.parameters():
            parameter.grad = None
        yield
    finally:
        for restore in restorers:
            restore()


@contextmanager
def isolated(model: nn.Module) -> Iterator[None]:
    """Like :func:`undisturbed`; also enable gradients and pause garbage collection."""
    # The caller may be in no_grad or inference_mode: this leaves both.
    with torch.inference_mode(False), collection_paused(), undisturbed(model):
        yield


def _module(module: nn.Module) -> Callable[[], None]:
    if isinstance(module, torch.jit.ScriptModule):  # its registries are views of C++ state
        mode = module.training
        return lambda: setattr(module, "training", mode)
    attributes = dict(module.__dict__)
    held = {
        key: value.copy() if value else type(value)()  # most registries are empty, and copying them is slow
        for key, value in attributes.items()
        if type(value) in _CONTAINERS or key in _REGISTRIES or ("_hooks" in key and hasattr(value, "copy"))
    }
    objects = [value for value in attributes.values() if type(value) not in _PLAIN]
    inner = [_tensor(value) for value in objects if isinstance(value, Tensor)]
    inner += [_generator(value) for value in objects if isinstance(value, torch.Generator)]

    def restore() -> None:
        module.__dict__.clear()
        module.__dict__.update(attributes)
        for key, value in held.items():
            if value or attributes[key]:
                _refill(attributes[key], value)
        for each in inner:
            each()

    return restore


def _generator(generator: torch.Generator) -> Callable[[], None]:
    state = generator.get_state()

    def restore() -> None:
        generator.set_state(state)

    return restore


def _refill(live: Any, before: Any) -> None:
    """Restore the content of a container in place, unless it is unchanged."""
    if isinstance(live, list):
        if len(live) != len(before) or any(one is not other for one, other in zip(live, before, strict=True)):
            live[:] = before
    elif live != before if isinstance(live, set) else _changed(live, before):
        live.clear()
        live.update(before)


def _changed(live: dict[Any, Any], before: dict[Any, Any]) -> bool:
    return list(live) != list(before) or any(live[key] is not before[key] for key in before)


def _tensors(model: nn.Module) -> Iterator[Callable[[], None]]:
    for tensor in (*model.parameters(), *model.buffers()):
        yield _tensor(tensor)


def _tensor(tensor: Tensor) -> Callable[[], None]:
    if tensor.is_meta or isinstance(tensor, _LAZY):  # no values to restore
        return lambda: None
    version = None if tensor.is_inference() else tensor._version
    requires_grad, grad = tensor.requires_grad, tensor.grad if tensor.is_leaf else None
    restore_values = _dense(tensor) if tensor.layout == torch.strided and not tensor.is_nested else _composite(tensor)

    def restore() -> None:
        restore_values()
        if tensor.is_leaf:
            tensor.requires_grad_(requires_grad)
            tensor.grad = grad
        if version is not None:  # a graph of the caller may have saved this tensor, whose values are unchanged
            torch._C._autograd._unsafe_set_version_counter((tensor,), (version,))

    return restore


def _dense(tensor: Tensor) -> Callable[[], None]:
    storage = tensor.data  # an alias of the storage, in case of `parameter.data = other`
    before = storage.clone()

    def restore() -> None:
        if tensor.data_ptr() != storage.data_ptr():
            tensor.data = storage
        if not torch.equal(storage, before):  # NaN is not equal to itself, so it is copied, with the same bits
            storage.copy_(before)

    return restore


def _composite(tensor: Tensor) -> Callable[[], None]:
    """Return a function that restores a sparse or nested tensor, whose inner tensors may be replaced in place."""
    version, before = tensor._version, tensor.detach().clone()

    def restore() -> None:
        if tensor._version != version:
            with torch.no_grad():
                tensor.copy_(before)

    return restore


def random_state() -> Callable[[], None]:
    """Return a function that restores all random generators: torch's on all devices, Python's, numpy's."""
    restorers: list[Callable[[], None]] = []
    cpu, python = torch.get_rng_state(), random.getstate()
    restorers += [lambda: torch.set_rng_state(cpu), lambda: random.setstate(python)]
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        cuda = torch.cuda.get_rng_state_all()
        restorers.append(lambda: torch.cuda.set_rng_state_all(cuda))
    if torch.backends.mps.is_available():
        mps = torch.mps.get_rng_state()
        restorers.append(lambda: torch.mps.set_rng_state(mps))
    numpy = sys.modules.get("numpy.random")
    if numpy is not None:
        state = numpy.get_state()
        restorers.append(lambda: numpy.set_state(state))

    def restore() -> None:
        for each in restorers:
            each()

    return restore


@contextmanager
def optimizer_undisturbed(optimizer: Optimizer) -> Iterator[None]:
    """Restore the optimizer's state, options and step counters on exit."""
    attributes = dict(optimizer.__dict__)
    groups = [dict(group) for group in optimizer.param_groups]
    live = dict(optimizer.state)
    state = {p: {k: v.copy() if isinstance(v, list) else v for k, v in s.items()} for p, s in live.items()}
    held = [value for values in (*groups, *state.values()) for value in values.values()]
    listed = [item for value in held if isinstance(value, list) for item in value]
    parameters = {id(parameter) for group in groups for parameter in group["params"]}
    tensors = [_tensor(t) for t in (*held, *listed) if isinstance(t, Tensor) and id(t) not in parameters]
    try:
        yield
    finally:
        optimizer.__dict__.clear()
        optimizer.__dict__.update(attributes)
        for group, before in zip(optimizer.param_groups, groups, strict=True):
            group.clear()
            group.update(before)
        optimizer.state.clear()
        optimizer.state.update(live)
        for parameter, before in state.items():
            live[parameter].clear()
            live[parameter].update(before)
        for restore in tensors:
            restore()

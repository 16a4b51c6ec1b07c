"""The model and the process as they were before, bit for bit, also after an error."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

# nn.Module's registries: restored in place, since hook handles refer to the dict itself.
_REGISTRIES = ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set")


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """On exit: parameters, buffers, gradients, requires_grad, modes, hooks, attributes and random state as on entry.

    Within, all ``.grad`` are None, so that nothing can be added to the caller's.
    """
    restorers = [*(_module(m) for m in model.modules()), *_tensors(model), random_state()]
    try:
        for parameter in model.parameters():
            parameter.grad = None
        yield
    finally:
        for restore in restorers:
            restore()


def _module(module: nn.Module) -> Callable[[], None]:
    attributes = dict(module.__dict__)
    held = {
        key: value.copy()
        for key, value in attributes.items()
        if key in _REGISTRIES or (key.endswith("_hooks") and hasattr(value, "copy"))
    }

    def restore() -> None:
        if isinstance(module, torch.jit.ScriptModule):  # its registries are views of C++ state
            return
        module.__dict__.clear()
        module.__dict__.update(attributes)
        for key, value in held.items():
            live = attributes[key]
            if live != value if isinstance(live, set) else _changed(live, value):
                live.clear()
                live.update(value)

    return restore


def _changed(live: dict[Any, Any], before: dict[Any, Any]) -> bool:
    return list(live) != list(before) or any(live[key] is not before[key] for key in before)


def _tensors(model: nn.Module) -> Iterator[Callable[[], None]]:
    for parameter in model.parameters():
        yield _tensor(parameter, grad=parameter.grad)
    for buffer in model.buffers():
        yield _tensor(buffer, grad=None)


def _tensor(tensor: Tensor, grad: Tensor | None) -> Callable[[], None]:
    requires_grad = tensor.requires_grad
    if tensor.is_meta:  # nothing to keep
        return lambda: None
    storage = tensor.data  # an alias of the storage: survives `parameter.data = other`
    before = storage.clone()

    def restore() -> None:
        if tensor.data_ptr() != storage.data_ptr():
            tensor.data = storage
        if not torch.equal(storage, before):  # NaN differs from itself and is copied: bit for bit the same
            storage.copy_(before)
        if tensor.is_leaf:
            tensor.requires_grad_(requires_grad)
            tensor.grad = grad

    return restore


def random_state() -> Callable[[], None]:
    """A function that sets every random generator (torch on all devices, Python's, numpy's) back to now."""
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
    """On exit the optimizer's state, options and step counters are as on entry."""
    attributes = {k: v for k, v in optimizer.__dict__.items() if k not in ("state", "param_groups")}
    groups = [dict(group) for group in optimizer.param_groups]
    # One optimizer's state may hold tensors, numbers or lists of them: keep copies of the tensors it steps in place.
    state = {p: {k: v.clone() if isinstance(v, Tensor) else v for k, v in s.items()} for p, s in optimizer.state.items()}
    live = {p: dict(s) for p, s in optimizer.state.items()}
    try:
        yield
    finally:
        optimizer.__dict__.update(attributes)
        for group, before in zip(optimizer.param_groups, groups, strict=True):
            group.clear()
            group.update(before)
        optimizer.state.clear()
        for parameter, values in live.items():
            for key, value in values.items():
                if isinstance(value, Tensor):
                    value.copy_(state[parameter][key])
            optimizer.state[parameter] = values

"""The state of a model, an optimizer and the process that must be restored."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer


def bits(tensor: Tensor) -> tuple[object, ...]:
    """Return a tensor's values bit for bit, for any layout."""
    dense = tensor.detach()
    if dense.is_nested:
        dense = dense.values()
    elif dense.layout != torch.strided:
        dense = dense.to_dense()
    return tensor.shape, dense.dtype, dense.clone().contiguous().reshape(-1).view(torch.uint8).tolist()


def of_model(model: nn.Module) -> dict[str, object]:
    """Return a model's state: values bit for bit, and objects by identity, in order."""
    found: dict[str, object] = {}
    for name, module in model.named_modules():
        found[f"{name} is"] = id(module)
        found[f"{name} mode"] = module.training
        for key, value in vars(module).items():
            found[f"{name} {key}"] = _value(value)
        found[f"{name} attributes"] = list(vars(module))
    for name, parameter in model.named_parameters():
        found[f"{name} requires grad"] = parameter.requires_grad
        found[f"{name} grad is"] = id(parameter.grad)
        found[f"{name} grad"] = None if parameter.grad is None else bits(parameter.grad)
        found[f"{name} storage"] = parameter.data_ptr()
    return found


def of_optimizer(optimizer: Optimizer) -> dict[str, object]:
    return {
        "attributes": {k: v for k, v in vars(optimizer).items() if k not in ("state", "param_groups", "_opt_called")},
        "called": getattr(optimizer, "_opt_called", None),
        "groups": [(id(group), _value(group)) for group in optimizer.param_groups],
        "state": {id(parameter): _value(state) for parameter, state in optimizer.state.items()},
    }


def of_process() -> dict[str, object]:
    kind, keys, *rest = np.random.get_state()
    return {
        "torch": bits(torch.get_rng_state()),
        "python": random.getstate(),
        "numpy": (kind, keys.tolist(), rest),
        "grad mode": torch.is_grad_enabled(),
    }


def _value(value: Any) -> object:
    if isinstance(value, Tensor):
        return id(value), value.requires_grad, bits(value), value._version
    if isinstance(value, Mapping):
        return id(value), [(key, _value(item)) for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return type(value), [_value(item) for item in value]
    if isinstance(value, set):
        return id(value), sorted(map(repr, value))
    if isinstance(value, torch.Generator):
        return id(value), bits(value.get_state())
    return id(value), repr(value)

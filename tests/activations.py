"""All activations of torch: classes, functions, and the arguments that they need."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# All activations of torch, without the attention in the same module.
CLASSES = sorted(set(torch.nn.modules.activation.__all__) - {"MultiheadAttention"})
_NEEDED: dict[str, Any] = {"threshold": 0.1, "value": 0.0, "dim": 1, "weight": torch.tensor([0.25])}


def module(name: str) -> nn.Module:
    """Return an activation of torch.nn with torch's default parameters."""
    activation: nn.Module = getattr(nn, name)(**_arguments(getattr(nn, name)))
    return activation


def twin(name: str) -> Callable[[Tensor], Tensor] | None:
    """Return the function of the same name in torch.nn.functional; None if there is none."""
    found = [each for each in dir(F) if each.replace("_", "") == name.lower() and not each.endswith("_")]
    if not found:
        return None
    function = getattr(F, found[0])
    if name == "PReLU":  # a builtin without a signature
        return partial(_prelu, weight=nn.Parameter(torch.tensor([0.25])))
    return partial(function, **_arguments(function))


def _prelu(x: Tensor, weight: Tensor) -> Tensor:
    return F.prelu(x, weight)


def _arguments(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        wanted = inspect.signature(function).parameters.values()
    except ValueError:  # a builtin
        return {}
    needed = [each.name for each in wanted if each.default is inspect.Parameter.empty or each.name == "dim"]
    return {name: _NEEDED[name] for name in needed if name in _NEEDED}

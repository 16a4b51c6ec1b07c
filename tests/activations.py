"""All activations that torch has, read from torch: classes, functions, and what they need to be called."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# All that torch has, but for the attention that it keeps in the same module.
CLASSES = sorted(set(torch.nn.modules.activation.__all__) - {"MultiheadAttention"})
_NEEDED: dict[str, Any] = {"threshold": 0.1, "value": 0.0, "dim": 1, "weight": torch.tensor([0.25])}


def module(name: str) -> nn.Module:
    """An activation of torch.nn with torch's parameters."""
    activation: nn.Module = getattr(nn, name)(**_arguments(getattr(nn, name)))
    return activation


def twin(name: str) -> Callable[[Tensor], Tensor] | None:
    """The function in torch.nn.functional of the same name; None for a class that has none."""
    found = [each for each in dir(F) if each.replace("_", "") == name.lower() and not each.endswith("_")]
    if not found:
        return None
    function = getattr(F, found[0])
    if name == "PReLU":  # a builtin, whose signature Python does not know
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

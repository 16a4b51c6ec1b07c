"""Finds writes to weights that every forward call recomputes: they have no effect."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils.weight_norm import WeightNorm

_ROUNDING = 1e-2  # relative: recomputing in half precision changes a weight by 4e-3, a new initialization by 1
_SAME_SCALE = 1.1  # ratio of stds: a copy of another network's direction has the same within a few percent


def lost_writes(model: nn.Module, parameters: Mapping[str, nn.Parameter]) -> dict[str, float]:
    """Return the std of the written values, by the name of the parameter that the weight is computed from.

    ``torch.nn.utils.weight_norm`` stores its product as a plain tensor until the next call. If the call would compute
    something else, the tensor was written to, or the magnitude or direction was changed since. Only a write that aims
    at another scale than that of the direction is lost. A parametrization stores nothing to compare with.
    """
    names = {id(parameter): name for name, parameter in parameters.items()}
    hooks = [(module, hook) for module in model.modules() for hook in module._forward_pre_hooks.values()]
    found: dict[str, float] = {}
    for module, hook in hooks:
        if not isinstance(hook, WeightNorm):
            continue
        kept, direction = module.__dict__.get(hook.name), getattr(module, f"{hook.name}_v", None)
        name = names.get(id(direction))
        if isinstance(kept, Tensor) and isinstance(direction, Tensor) and name is not None:
            with torch.no_grad():
                std = _written(kept.float(), hook.compute_weight(module).float(), direction.float())
            if std is not None:
                found[name] = std
    return found


def _written(kept: Tensor, made: Tensor, direction: Tensor) -> float | None:
    """Return the std of a lost write; None if nothing was lost."""
    if kept.shape != made.shape or kept.numel() < 2 or float((kept - made).norm()) <= _ROUNDING * float(made.norm()):
        return None
    std, usual = float(kept.std()), float(direction.std())
    return None if usual / _SAME_SCALE < std < usual * _SAME_SCALE else std

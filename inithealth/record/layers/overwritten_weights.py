"""Finds writes to weights that every forward call recomputes: they have no effect."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils.weight_norm import WeightNorm

_ROUNDING = 1e-2  # relative: recomputing in half precision changes a weight by 4e-3, a new initialization by 1


def lost_writes(model: nn.Module, parameters: Mapping[str, nn.Parameter]) -> dict[str, float]:
    """Return the std of the written values, by the name of the parameter that the weight is computed from.

    ``torch.nn.utils.weight_norm`` stores its product as a plain tensor until the next call. If the call would compute
    something else, the tensor was written to. A parametrization stores nothing to compare with.
    """
    names = {id(parameter): name for name, parameter in parameters.items()}
    found: dict[str, float] = {}
    with torch.no_grad():
        for module in model.modules():
            for hook in module._forward_pre_hooks.values():
                if not isinstance(hook, WeightNorm):
                    continue
                kept, source = module.__dict__.get(hook.name), getattr(module, f"{hook.name}_v", None)
                name = names.get(id(source))
                if isinstance(kept, Tensor) and name is not None:
                    made = hook.compute_weight(module).float()
                    if kept.shape == made.shape and float((kept.float() - made).norm()) > _ROUNDING * float(
                        made.norm()
                    ):
                        found[name] = float(kept.float().std())
    return found

"""What was written to a weight that every call makes anew: it has no effect, and the first call wipes its trace."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils.weight_norm import WeightNorm

_ROUNDING = 1e-2  # relative; a weight made in half precision is off its own by 4e-3, one drawn anew by 1


def lost_writes(model: nn.Module, parameters: Mapping[str, nn.Parameter]) -> dict[str, float]:
    """The std of what was written, by the name of the parameter that the weight is made of.

    ``torch.nn.utils.weight_norm`` keeps its product as a plain tensor until the next call: where that is not
    what the call is going to make, somebody has written to it. Of a parametrization nothing is kept to compare.
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

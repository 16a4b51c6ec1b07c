"""Permanent losses of a fault: units that stay copies or zero, and layers without gradient."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

STEPS = 4  # optimizer steps after which every intentional zero start has changed
_ALIKE = 1e-3  # minimum difference of diverging units, relative to their own change


class Watched:
    """The units of some layers before the first step."""

    def __init__(self, model: nn.Module, names: Iterable[str]) -> None:
        modules = [model.get_submodule(name) for name in dict.fromkeys(names)]
        self.weights = [(p, m) for m in modules for p in m.parameters(recurse=False) if _tells(p, m)]
        self.before = [_units(weight, module).clone() for weight, module in self.weights]

    def lost(self) -> float:
        """Return the largest share of a layer's units that is lost."""
        pairs = zip(self.weights, self.before, strict=True)
        return max((_lost(weight, module, was) for (weight, module), was in pairs), default=0.0)


def _tells(parameter: nn.Parameter, module: nn.Module) -> bool:
    matrix = parameter.ndim > 1 or not isinstance(module, (nn.Linear, nn.Embedding, nn.modules.conv._ConvNd))
    return matrix and parameter.requires_grad and parameter is not getattr(module, "bias", None)


def _units(weight: nn.Parameter, module: nn.Module) -> Tensor:
    """Return the units as [units, inputs], each with its bias."""
    rows = weight.detach().flatten(1) if weight.ndim > 1 else weight.detach()[:, None]
    bias = getattr(module, "bias", None)
    own = isinstance(bias, Tensor) and weight.ndim > 1 and len(bias) == len(rows)
    return torch.cat([rows, bias.detach()[:, None]], 1) if own else rows


def _lost(weight: nn.Parameter, module: nn.Module, before: Tensor) -> float:
    if weight.grad is None:
        return 1.0
    rows = _units(weight, module)
    if rows.shape[1] == 1:  # in a vector only zeros are lost: a norm starts with equal elements
        return float((rows == 0).float().mean())
    moved = (rows - before).norm(dim=1)
    if isinstance(module, nn.Embedding):  # tokens that were not looked up are not lost
        if not bool((moved > 0).any()):
            return 1.0
        rows, moved = rows[moved > 0], moved[moved > 0]
    # The faster matrix product has a relative error of 1e-3, which makes copies look different.
    apart = torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")
    copies = (apart <= (_ALIKE * moved + 1e-6 * rows.norm(dim=1))[:, None]).tril(-1).any(1)
    zero = (rows == 0).all(1)
    return float((zero | copies).float().mean()) + 1.0 / len(rows)  # one of the equal units remains

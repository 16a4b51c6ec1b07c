"""What a fault costs for good: units that stay copies or zero, and layers that no gradient reaches."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

STEPS = 4  # optimizer steps after which every legitimate start from zero has woken
_ALIKE = 1e-3  # of their own change, by which units that are parting differ


class Watched:
    """The units of some layers, as they were before the first step."""

    def __init__(self, model: nn.Module, names: Iterable[str]) -> None:
        modules = [model.get_submodule(name) for name in dict.fromkeys(names)]
        self.weights = [p for module in modules for p in module.parameters(recurse=False) if _tells(p, module)]
        self.before = [weight.detach().clone() for weight in self.weights]

    def lost(self) -> float:
        """The largest share of a layer's units that is lost by now."""
        return max((_lost(w, was) for w, was in zip(self.weights, self.before, strict=True)), default=0.0)


def _tells(parameter: nn.Parameter, module: nn.Module) -> bool:
    matrix = parameter.ndim > 1 or not isinstance(module, (nn.Linear, nn.Embedding, nn.modules.conv._ConvNd))
    return matrix and parameter.requires_grad and parameter is not getattr(module, "bias", None)


def _lost(weight: nn.Parameter, before: Tensor) -> float:
    if weight.grad is None:
        return 1.0
    rows, was = (
        weight.detach().flatten(1) if weight.ndim > 1 else weight.detach()[:, None],
        before.view(len(before), -1),
    )
    zero = (rows == 0).all(1)
    if rows.shape[1] == 1:  # of a vector's elements only zeros are lost: equal ones are what a norm starts with
        return float(zero.float().mean())
    moved, rounding = (rows - was).norm(dim=1), 1e-6 * rows.norm(dim=1)
    # The quick way by products of matrices is off by a thousandth, and tells copies apart.
    apart = torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")
    alike = apart <= (_ALIKE * moved + rounding)[:, None]
    copies = alike.tril(-1).any(1)
    return float((zero | copies).float().mean()) + 1.0 / len(rows)  # of the units that are one, one is left

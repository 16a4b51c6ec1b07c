"""The same network written differently, by changing a copy of its model."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import weight_norm
from torch.utils.checkpoint import checkpoint

Way = Callable[[nn.Module], nn.Module]


class TanhInPlace(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.tanh_()


class SigmoidInPlace(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.sigmoid_()


class Called(nn.Module):
    """Runs a model in another way than by a plain call; its layers have the prefix ``model.``."""

    def __init__(self, model: nn.Module, how: Callable[..., Any]) -> None:
        super().__init__()
        self.model = model
        self.how = how

    def forward(self, *inputs: Any) -> Any:
        return self.how(self.model, *inputs)


def in_place(model: nn.Module) -> nn.Module:
    """Make activations operate in place."""
    model = deepcopy(model)
    for module in list(model.modules()):
        if hasattr(module, "inplace"):
            module.inplace = True
        for name, child in module.named_children():
            if isinstance(child, nn.Tanh):
                setattr(module, name, TanhInPlace())
            if isinstance(child, nn.Sigmoid):
                setattr(module, name, SigmoidInPlace())
    return model


def checkpointed(model: nn.Module, reentrant: bool) -> nn.Module:
    """Recompute every block except the first in the backward pass.

    With a reentrant checkpoint the first one would get no gradient, because the network's inputs do not require it.
    """
    model = deepcopy(model)
    for block in blocks(model)[1:]:
        block.forward = _again(block.forward, reentrant)
    return model


def compiled(model: nn.Module) -> nn.Module:
    return torch.compile(deepcopy(model), backend="eager")  # type: ignore[return-value]


def compiled_blocks(model: nn.Module) -> nn.Module:
    model = deepcopy(model)
    for block in blocks(model):
        block.compile(backend="eager")
    return model


def functional_call(model: nn.Module) -> nn.Module:
    """Pass the parameters from outside."""

    def how(model: nn.Module, *inputs: Any) -> Any:
        return torch.func.functional_call(model, dict(model.named_parameters()), inputs)

    return Called(deepcopy(model), how)


def autocast(model: nn.Module) -> nn.Module:
    """Run in bfloat16 autocast, with the loss in float32."""

    def how(model: nn.Module, *inputs: Any) -> Any:
        with torch.autocast("cpu", torch.bfloat16):
            out = model(*inputs)
        return out.float() if isinstance(out, Tensor) else tuple(part.float() for part in out)

    return Called(deepcopy(model), how)


def weight_normed(model: nn.Module) -> nn.Module:
    """Split every unit's weights into direction and magnitude parameters with the same product."""
    model = deepcopy(model)
    for module in list(model.modules()):
        if isinstance(module, (nn.Linear, nn.Conv1d, nn.Conv2d)) and not parametrize.is_parametrized(module):
            weight_norm(module)
    return model


def frozen_prefix(model: nn.Module, share: float = 0.3) -> nn.Module:
    """Freeze the first blocks."""
    model = deepcopy(model)
    found = blocks(model)
    for block in found[: max(1, int(share * len(found)))]:
        block.requires_grad_(False)
    return model


def blocks(model: nn.Module) -> list[nn.Module]:
    """Return the members of its sequences, outermost first, and its other children, which people checkpoint."""
    found: list[nn.Module] = []
    for child in model.children():
        inner = [b for b in child.children() if any(True for _ in b.parameters())] if _is_list(child) else [child]
        found += [block for block in inner if any(True for _ in block.parameters())]
    return found


def _is_list(module: nn.Module) -> bool:
    return isinstance(module, (nn.Sequential, nn.ModuleList))


def _again(forward: Callable[..., Any], reentrant: bool) -> Callable[..., Any]:
    def again(*inputs: Any, **options: Any) -> Any:
        return checkpoint(partial(forward, **options), *inputs, use_reentrant=reentrant)

    return again


WAYS: dict[str, Way] = {
    "in_place": in_place,
    "checkpointed": lambda model: checkpointed(model, reentrant=False),
    "checkpointed_reentrant": lambda model: checkpointed(model, reentrant=True),
    "compiled": compiled,
    "compiled_blocks": compiled_blocks,
    "functional_call": functional_call,
    "autocast": autocast,
    "weight_normed": weight_normed,
    "frozen_prefix": frozen_prefix,
}

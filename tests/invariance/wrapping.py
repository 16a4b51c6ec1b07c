"""The same network in additional containers: only the names of its layers change."""

from __future__ import annotations

import random
from copy import deepcopy
from typing import Any

from torch import nn


class Container(nn.Module):
    """Contains a model under another name and adds nothing."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.inner = model

    def forward(self, *inputs: Any, **options: Any) -> Any:
        return self.inner(*inputs, **options)


def in_container(model: nn.Module) -> nn.Module:
    return Container(Container(deepcopy(model)))


def in_sequential(model: nn.Module) -> nn.Module:
    """Return a Sequential with the model, which has one input."""
    return nn.Sequential(nn.Identity(), deepcopy(model), nn.Identity())


def members_wrapped(model: nn.Module, seed: int, share: float = 0.5) -> nn.Module:
    """Wrap randomly chosen members of the model's sequences in containers."""
    model = deepcopy(model)
    draw = random.Random(seed)
    for holder in [module for module in model.modules() if isinstance(module, (nn.Sequential, nn.ModuleList))]:
        for place, member in enumerate(list(holder)):
            if draw.random() < share:
                holder[place] = draw.choice([nn.Sequential, Container])(member)
    return model


def halves_nested(model: nn.Module) -> nn.Module:
    """Replace each sequence by a sequence of two halves."""
    model = deepcopy(model)
    for holder in list(model.modules()):
        for name, child in list(holder.named_children()):
            if type(child) is nn.Sequential and len(child) > 2:
                middle = len(child) // 2
                setattr(holder, name, nn.Sequential(child[:middle], child[middle:]))
    return model

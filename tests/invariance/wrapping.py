"""The same network inside further containers: nothing but the names of its layers changes."""

from __future__ import annotations

import random
from copy import deepcopy
from typing import Any

from torch import nn


class Container(nn.Module):
    """Holds a model under a name of its own and adds nothing."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.inner = model

    def forward(self, *inputs: Any, **options: Any) -> Any:
        return self.inner(*inputs, **options)


def in_container(model: nn.Module) -> nn.Module:
    return Container(Container(deepcopy(model)))


def in_sequential(model: nn.Module) -> nn.Module:
    """Of one input."""
    return nn.Sequential(nn.Identity(), deepcopy(model), nn.Identity())


def members_wrapped(model: nn.Module, seed: int, share: float = 0.5) -> nn.Module:
    """Some members of its sequences, chosen at random, in containers of their own."""
    model = deepcopy(model)
    draw = random.Random(seed)
    for holder in [module for module in model.modules() if isinstance(module, (nn.Sequential, nn.ModuleList))]:
        for place, member in enumerate(list(holder)):
            if draw.random() < share:
                holder[place] = draw.choice([nn.Sequential, Container])(member)
    return model


def halves_nested(model: nn.Module) -> nn.Module:
    """Each of its sequences as a sequence of two."""
    model = deepcopy(model)
    for holder in list(model.modules()):
        for name, child in list(holder.named_children()):
            if type(child) is nn.Sequential and len(child) > 2:
                middle = len(child) // 2
                setattr(holder, name, nn.Sequential(child[:middle], child[middle:]))
    return model

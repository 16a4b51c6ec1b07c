"""A healthy network that looks faulty, the same network with a fault in that place, and shared components."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .bug import Scene
from .plain import CLASSES, FEATURES, WIDTH, vectors


@dataclass(frozen=True)
class Trap:
    """``build(False)`` is healthy, ``build(True)`` has the fault. Without codes there is no faulty version."""

    build: Callable[[bool], Scene]
    codes: tuple[str, ...] = ()  # each of them is a correct code
    layers: str = ""  # pattern of the modules in the finding, including the first
    others: str = ""  # pattern of other modules in the finding, not first
    watched: bool = True  # a short training run shows the fault, too

    @property
    def name(self) -> str:
        return self.build.__name__

    def built(self, fault: bool, seed: int) -> Scene:
        torch.manual_seed(seed)
        return self.build(fault)

    def names(self, layers: tuple[str, ...]) -> bool:
        allowed = re.compile(f"{self.layers}|{self.others}")
        return bool(re.fullmatch(self.layers, layers[0])) and all(allowed.fullmatch(layer) for layer in layers)


def scene(model: nn.Module, inputs: Tensor | None = None) -> Scene:
    """Return a classification scene; the first dimension of ``inputs`` is the samples."""
    x = vectors()[0] if inputs is None else inputs
    targets = torch.arange(len(x)) % CLASSES
    return Scene(model, x, lambda output: F.cross_entropy(output, targets))


def he(model: nn.Module) -> nn.Module:
    """Apply He initialization, with zero biases."""
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return model


def perceptron(hidden: int = 4, norm: bool = False) -> nn.Sequential:
    """Return layers named 0, 2, 4 and so on, or 0, 3, 6 with norms; He initialization, zero biases."""
    model = nn.Sequential()
    for number in range(hidden):
        model.append(nn.Linear(WIDTH if number else FEATURES, WIDTH))
        model.extend([nn.BatchNorm1d(WIDTH), nn.ReLU()] if norm else [nn.ReLU()])
    model.append(nn.Linear(WIDTH, CLASSES))
    he(model)
    return model

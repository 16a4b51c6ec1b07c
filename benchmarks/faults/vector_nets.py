"""Hosts for vectors and graphs."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .tasks import CLASSES, FEATURES, graph


def he(module: nn.Module, nonlinearity: str = "relu") -> None:
    """Apply He initialization to every weight, and set biases to zero."""
    for part in module.modules():
        if isinstance(part, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.kaiming_normal_(part.weight, nonlinearity=nonlinearity)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


class MLP(nn.Module):
    def __init__(self, inputs: int, outputs: int, depth: int, width: int, activation: type[nn.Module]) -> None:
        super().__init__()
        self.stem = nn.Linear(inputs, width)
        self.body = nn.ModuleList(nn.Linear(width, width) for _ in range(depth - 1))
        self.activation = activation()
        self.head = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.activation(self.stem(x))
        for layer in self.body:
            x = self.activation(layer(x))
        return self.head(x)


def relu_mlp() -> nn.Module:
    model = MLP(64, 10, 20, 64, nn.ReLU)
    he(model)
    return model


def tanh_mlp() -> nn.Module:
    model = MLP(64, 10, 10, 48, nn.Tanh)
    for name, parameter in model.named_parameters():
        if name.endswith("weight"):
            nn.init.xavier_normal_(parameter, gain=5 / 3 if "head" not in name else 1.0)
        else:
            nn.init.zeros_(parameter)
    return model


class Branch(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.fc2(F.relu(self.fc1(x)))


class ResidualMLP(nn.Module):
    """Residual blocks without normalization; their last layers are scaled by one over the root of the block count."""

    def __init__(self, depth: int = 16, width: int = 48) -> None:
        super().__init__()
        self.stem = nn.Linear(FEATURES, width)
        self.blocks = nn.Sequential(*(Branch(width) for _ in range(depth)))
        self.head = nn.Linear(width, CLASSES)
        he(self)
        ends = [block.fc2 for block in self.blocks]
        for linear in (self.stem, self.head, *ends):
            nn.init.kaiming_normal_(linear.weight, nonlinearity="linear")
        with torch.no_grad():
            for end in ends:
                end.weight.mul_(depth**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(x)))


class GCN(nn.Module):
    """Kipf and Welling's graph convolutions with Xavier initialization, as published."""

    def __init__(self, width: int = 32, depth: int = 4) -> None:
        super().__init__()
        self.register_buffer("graph", graph())
        self.stem = nn.Linear(16, width)
        self.body = nn.ModuleList(nn.Linear(width, width) for _ in range(depth - 1))
        self.head = nn.Linear(width, 5)
        for part in (self.stem, *self.body, self.head):
            nn.init.xavier_uniform_(part.weight)
            nn.init.zeros_(part.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.graph @ self.stem(x))
        for layer in self.body:
            x = F.relu(self.graph @ layer(x)) if layer is self.body[0] else F.relu(layer(x))
        return self.head(x)

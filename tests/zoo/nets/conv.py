"""A plain convolutional network and a residual one with BatchNorm, each written in three ways."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..batches import CLASSES

CHANNELS = (3, 16, 32, 32)
RESIDUAL_CHANNELS = 16


class ModuleConv(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        body = [[nn.Conv2d(a, b, 3, padding=1), nn.ReLU()] for a, b in pairwise(CHANNELS)]
        self.body = nn.Sequential(*(module for pair in body for module in pair))
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.flatten = nn.Flatten()
        self.head = nn.Linear(CHANNELS[-1] * 16, CLASSES)

    @property
    def convs(self) -> list[nn.Conv2d]:
        return [module for module in self.body if isinstance(module, nn.Conv2d)]

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.flatten(self.pool(self.body(x))))
        return out


class FunctionConv(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(CHANNELS))
        self.head = nn.Linear(CHANNELS[-1] * 16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = F.relu(conv(x), inplace=True)
        out: Tensor = self.head(F.adaptive_avg_pool2d(x, 4).flatten(1))
        return out


class ParameterConv(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = nn.ParameterList(torch.empty(b, a, 3, 3) for a, b in pairwise(CHANNELS))
        self.b = nn.ParameterList(torch.empty(b) for b in CHANNELS[1:])
        self.head_w = nn.Parameter(torch.empty(CLASSES, CHANNELS[-1] * 16))
        self.head_b = nn.Parameter(torch.empty(CLASSES))

    def parameter_order(self) -> list[str]:
        return [name for i in range(len(self.w)) for name in (f"w.{i}", f"b.{i}")] + ["head_w", "head_b"]

    def forward(self, x: Tensor) -> Tensor:
        for weight, bias in zip(self.w, self.b, strict=True):
            x = F.conv2d(x, weight, bias, padding=1).relu()
        return F.linear(F.adaptive_avg_pool2d(x, 4).flatten(1), self.head_w, self.head_b)


class Block(nn.Module):
    def __init__(self, functional: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(RESIDUAL_CHANNELS, RESIDUAL_CHANNELS, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(RESIDUAL_CHANNELS)
        self.conv2 = nn.Conv2d(RESIDUAL_CHANNELS, RESIDUAL_CHANNELS, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(RESIDUAL_CHANNELS)
        self.relu: Callable[[Tensor], Tensor] = F.relu if functional else nn.ReLU(inplace=True)
        nn.init.zeros_(self.norm2.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.norm2(self.conv2(self.relu(self.norm1(self.conv1(x))))) + x)


class ResNet(nn.Module):
    """Basic blocks with a zero weight in the last BatchNorm, so each starts as the identity."""

    def __init__(self, functional: bool, blocks: int = 4) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, RESIDUAL_CHANNELS, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(RESIDUAL_CHANNELS)
        self.blocks = nn.Sequential(*(Block(functional) for _ in range(blocks)))
        self.head = nn.Linear(RESIDUAL_CHANNELS, CLASSES)
        self.relu: Callable[[Tensor], Tensor] = F.relu if functional else nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.blocks(self.relu(self.norm(self.stem(x)))).mean((2, 3)))
        return out


class ParameterResNet(nn.Module):
    def __init__(self, blocks: int = 4) -> None:
        super().__init__()
        wide = RESIDUAL_CHANNELS
        self.w = nn.ParameterList(torch.empty(wide, 3 if i == 0 else wide, 3, 3) for i in range(2 * blocks + 1))
        self.scale = nn.ParameterList(torch.empty(wide) for _ in self.w)
        self.shift = nn.ParameterList(torch.empty(wide) for _ in self.w)
        self.head_w = nn.Parameter(torch.empty(CLASSES, wide))
        self.head_b = nn.Parameter(torch.empty(CLASSES))

    def parameter_order(self) -> list[str]:
        convs = [name for i in range(len(self.w)) for name in (f"w.{i}", f"scale.{i}", f"shift.{i}")]
        return [*convs, "head_w", "head_b"]

    def conv(self, x: Tensor, i: int) -> Tensor:
        out = F.conv2d(x, self.w[i], padding=1)
        return F.batch_norm(out, None, None, self.scale[i], self.shift[i], training=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x, 0).relu_()
        for i in range(1, len(self.w), 2):
            x = F.relu(x + self.conv(self.conv(x, i).relu_(), i + 1))
        return F.linear(x.mean((2, 3)), self.head_w, self.head_b)


CONV_TWINS: dict[str, Callable[[], nn.Module]] = {"functions": FunctionConv, "parameters": ParameterConv}
RESNET_TWINS: dict[str, Callable[[], nn.Module]] = {
    "functions": lambda: ResNet(functional=True),
    "parameters": ParameterResNet,
}

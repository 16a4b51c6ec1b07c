"""Hosts for images."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .vector_nets import he


def plain_conv() -> nn.Module:
    """Eight convolutions without normalization."""
    layers: list[nn.Module] = []
    for i in range(8):
        layers += [nn.Conv2d(16 if i else 1, 16, 3, 2 if i == 4 else 1, 1), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(16 * 4 * 4, 10))
    he(model)
    return model


class ResBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class ResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 16, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(16)
        shapes = ((16, 16, 1), (16, 16, 1), (16, 32, 2), (32, 32, 1))
        self.blocks = nn.Sequential(*(ResBlock(*shape) for shape in shapes))
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(32, 10)
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.pool(self.blocks(F.relu(self.norm(self.stem(x))))))


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of ``(samples, channels, height, width)``."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


GAMMA = 0.5


class ConvNeXtBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.norm = ChannelNorm(width)
        self.fc1 = nn.Conv2d(width, 4 * width, 1)
        self.fc2 = nn.Conv2d(4 * width, width, 1)
        self.gamma = nn.Parameter(torch.full((width, 1, 1), GAMMA))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.gamma * self.fc2(F.gelu(self.fc1(self.norm(self.depthwise(x)))))


class ConvNeXt(nn.Module):
    """PyTorch's default initialization; the published 0.02 is intended for ten times the width."""

    def __init__(self, width: int = 24, depth: int = 4) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, width, 2, 2)
        self.stem_norm = ChannelNorm(width)
        self.blocks = nn.Sequential(*(ConvNeXtBlock(width) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.blocks(self.stem_norm(self.stem(x))).mean((2, 3))))


def double(inputs: int, outputs: int) -> nn.Sequential:
    first, second = nn.Conv2d(inputs, outputs, 3, padding=1), nn.Conv2d(outputs, outputs, 3, padding=1)
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU())


class Up(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.raised = nn.ConvTranspose2d(2 * width, width, 2, 2)
        self.convs = double(2 * width, width)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.convs(torch.cat([skip, self.raised(x)], 1))


class UNet(nn.Module):
    """Ronneberger's U-Net with He initialization, without normalization."""

    def __init__(self, width: int = 12) -> None:
        super().__init__()
        pairs = ((1, width), (width, 2 * width), (2 * width, 4 * width))
        self.down = nn.ModuleList(double(a, b) for a, b in pairs)
        self.up = nn.ModuleList(Up(c) for c in (2 * width, width))
        self.head = nn.Conv2d(width, 1, 1)
        he(self)
        for up in self.up:  # stride 2: each output uses one kernel element, and no ReLU follows
            nn.init.normal_(up.raised.weight, std=up.raised.in_channels**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for i, convs in enumerate(self.down):
            x = convs(F.max_pool2d(x, 2) if i else x)
            skips.append(x)
        for up, skip in zip(self.up, skips[-2::-1], strict=True):
            x = up(x, skip)
        return self.head(x)

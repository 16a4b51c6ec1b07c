"""hengchuan/RDN-TensorFlow#3: a residual dense network with He's standard deviations puts out black images."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

SIDE, WIDTH, GROWTH, CONVS, BLOCKS = 10, 24, 24, 3, 3


class DenseBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(GROWTH * (k + 1), GROWTH, 3, padding=1) for k in range(CONVS))
        self.fuse = nn.Conv2d(GROWTH * (CONVS + 1), GROWTH, 1)

    def forward(self, x: Tensor) -> Tensor:
        features = x
        for conv in self.convs:
            features = torch.cat([features, F.relu(conv(features))], 1)
        return x + self.fuse(features)


class Rdn(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.shallow1, self.shallow2 = nn.Conv2d(3, WIDTH, 3, padding=1), nn.Conv2d(WIDTH, GROWTH, 3, padding=1)
        self.blocks = nn.ModuleList(DenseBlock() for _ in range(BLOCKS))
        self.fuse1, self.fuse2 = nn.Conv2d(GROWTH * BLOCKS, WIDTH, 1), nn.Conv2d(WIDTH, WIDTH, 3, padding=1)
        self.up1, self.up2 = nn.Conv2d(WIDTH, 32, 5, padding=2), nn.Conv2d(32, 24, 3, padding=1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                he_normal(module)
                if not broken:
                    nn.init.normal_(module.weight, std=0.01)
        self.up3, self.last = he_normal(nn.Conv2d(24, 12, 3, padding=1)), he_normal(nn.Conv2d(3, 3, 3, padding=1))

    def forward(self, images: Tensor) -> Tensor:
        first = self.shallow1(images)
        x, outputs = self.shallow2(first), []
        for block in self.blocks:
            x = block(x)
            outputs.append(x)
        x = first + self.fuse2(self.fuse1(torch.cat(outputs, 1)))
        x = F.relu(self.up2(F.relu(self.up1(x))))
        return self.last(F.pixel_shuffle(self.up3(x), 2))


def he_normal(conv: nn.Conv2d) -> nn.Conv2d:
    nn.init.normal_(conv.weight, std=math.sqrt(2 / conv.weight[0].numel()))
    nn.init.zeros_(conv.bias)
    return conv


def batch(i: int) -> Batch:
    """Colored edges at random angles, and their averages over 2 x 2 pixels."""
    g = generator(i)
    grid = torch.linspace(-1, 1, 2 * SIDE)
    angle = 2 * math.pi * torch.rand(8, 1, 1, generator=g)
    offset = torch.rand(8, 1, 1, generator=g) - 0.5
    side = torch.sigmoid(12 * (angle.cos() * grid + angle.sin() * grid[:, None] - offset))
    one, other = torch.rand(2, 8, 3, 1, 1, generator=g)
    large = one * side[:, None] + other * (1 - side[:, None])
    return (F.avg_pool2d(large, 2),), lambda output: F.l1_loss(output, large)


CASE = Case(
    name="rdn_he_normal",
    source="hengchuan/RDN-TensorFlow#3",
    fault="Each convolution has He's standard deviation, and the dense and residual sums amplify it further.",
    build=Rdn,
    batch=batch,
    rules=("IH106", "IH108", "IH202", "IH208"),
    layers=("shallow1", "shallow2", "blocks", "fuse1", "fuse2", "up1", "up2"),
    optimizer="adam",
    rates=(3e-3, 1e-3, 3e-4),
    steps=120,
    fresh=True,
)

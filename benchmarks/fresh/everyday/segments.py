"""A U-Net with gated skip connections."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from benchmarks.healthy.everyday_net import Drawn, everyday
from benchmarks.healthy.pictures_draws import pictures
from benchmarks.nets import Net


def _double(inputs: int, outputs: int) -> nn.Sequential:
    first, second = nn.Conv2d(inputs, outputs, 3, padding=1), nn.Conv2d(outputs, outputs, 3, padding=1)
    return nn.Sequential(first, nn.BatchNorm2d(outputs), nn.ReLU(), second, nn.BatchNorm2d(outputs), nn.ReLU())


class GatedSkip(nn.Module):
    """A gate on the skip connection, computed from it and the upsampled features."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.raised = nn.Sequential(
            nn.Upsample(scale_factor=2), nn.Conv2d(2 * width, width, 3, padding=1), nn.BatchNorm2d(width)
        )
        self.of_skip = nn.Sequential(nn.Conv2d(width, width // 2, 1), nn.BatchNorm2d(width // 2))
        self.of_raised = nn.Sequential(nn.Conv2d(width, width // 2, 1), nn.BatchNorm2d(width // 2))
        self.gate = nn.Sequential(nn.Conv2d(width // 2, 1, 1), nn.BatchNorm2d(1), nn.Sigmoid())
        self.convs = _double(2 * width, width)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        raised = F.relu(self.raised(x))
        gate = self.gate(F.relu(self.of_skip(skip) + self.of_raised(raised)))
        return self.convs(torch.cat([skip * gate, raised], 1))


class AttentionUNet(nn.Module):
    """Oktay et al. (2018); He normal initialization, zero biases."""

    def __init__(self, width: int = 12, classes: int = 4) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(4)]
        self.down = nn.ModuleList(_double(a, b) for a, b in zip((3, *widths), widths, strict=False))
        self.up = nn.ModuleList(GatedSkip(size) for size in reversed(widths[:-1]))
        self.head = nn.Conv2d(width, classes, 1)
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
                nn.init.zeros_(part.bias)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for place, convs in enumerate(self.down):
            x = convs(F.max_pool2d(x, 2) if place else x)
            skips.append(x)
        for up, skip in zip(self.up, skips[-2::-1], strict=True):
            x = up(x, skip)
        return self.head(x)


def outlined(generator: Generator) -> Drawn:
    images, _ = pictures(generator, 6, 32)
    kinds = ((F.avg_pool2d(images, 5, 1, 2).mean(1) + 1) * 2).long().clamp(0, 3)
    return images, lambda logits: F.cross_entropy(logits, kinds)


NETS: tuple[Net, ...] = (everyday("attention_unet", "attention U-Net", AttentionUNet, outlined),)

"""avBuffer/UNet3plus_pth#23: the network ends in a sigmoid, and its loss applies another one."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

SIDE = 16
BLUR = torch.full((1, 1, 5, 5), 1 / 25)


def double(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, 1, 1),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
        nn.Conv2d(outputs, outputs, 3, 1, 1),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class UNet3Plus(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3 = double(1, 8), double(8, 16), double(16, 32)
        self.hd2, self.hd1 = double(16 + 32, 16), double(8 + 16 + 32, 16)
        self.outconv1 = nn.Conv2d(16, 1, 3, 1, 1)
        self.broken = broken

    def forward(self, images: Tensor) -> Tensor:
        h1 = self.conv1(images)
        h2 = self.conv2(F.max_pool2d(h1, 2))
        h3 = self.conv3(F.max_pool2d(h2, 2))
        up2 = self.hd2(torch.cat([h2, F.interpolate(h3, scale_factor=2)], 1))
        up1 = self.hd1(torch.cat([h1, F.interpolate(up2, scale_factor=2), F.interpolate(h3, scale_factor=4)], 1))
        logits = self.outconv1(up1)
        return logits.sigmoid() if self.broken else logits


def batch(i: int) -> Batch:
    """Bright regions with noise over them."""
    g = generator(i)
    smooth = 5 * F.conv2d(torch.randn(8, 1, SIDE + 4, SIDE + 4, generator=g), BLUR)
    masks = (smooth > 0.8).float()
    images = smooth + torch.randn(8, 1, SIDE, SIDE, generator=g)
    return (images,), lambda output: F.binary_cross_entropy_with_logits(output, masks)


CASE = Case(
    name="unet_double_sigmoid",
    source="avBuffer/UNet3plus_pth#23",
    fault="A sigmoid follows the last layer, whose outputs are the logits of a binary cross-entropy.",
    build=UNet3Plus,
    batch=batch,
    rules=("IH208",),
    layers=("outconv1",),
    optimizer="adam",
    rates=(1e-2, 3e-3),
    steps=150,
)

"""kuangliu/pytorch-cifar#28: without its batch normalization, a VGG16 with PyTorch's default weights never learns."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

SIDE, CLASSES = 16, 4
LAYOUT = (8, 8, 0, 16, 16, 0, 16, 16, 16, 0, 32, 32, 32, 32, 32, 32, 0)  # 0 is a pooling
PATTERNS = 1.5 * torch.randn(CLASSES, 1, 6, 6, generator=generator(-1))


class Vgg(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width in LAYOUT:
            if width:
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            else:
                layers.append(nn.MaxPool2d(2))
        self.features, self.classifier = nn.Sequential(*layers), nn.Linear(channels, CLASSES)
        if not broken:
            for module in self.features:
                if isinstance(module, nn.Conv2d):
                    nn.init.normal_(module.weight, std=math.sqrt(2 / (9 * module.out_channels)))
                    nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.features(images).flatten(1))


def batch(i: int) -> Batch:
    """A pattern, anywhere in a noisy image and in any color."""
    g = generator(i)
    target = torch.randint(0, CLASSES, (32,), generator=g)
    images = 0.3 * torch.randn(32, 3, SIDE, SIDE, generator=g)
    rows, columns = torch.randint(0, SIDE - 5, (2, 32), generator=g).tolist()
    color = 1 + torch.rand(32, 3, 1, 1, generator=g)
    for k, (row, column) in enumerate(zip(rows, columns, strict=True)):
        images[k, :, row : row + 6, column : column + 6] += color[k] * PATTERNS[target[k]]
    return (images,), lambda output: F.cross_entropy(output, target)


CASE = Case(
    name="vgg_without_batchnorm",
    source="kuangliu/pytorch-cifar#28",
    fault="PyTorch's default weights shrink the signal at each of 13 ReLU convolutions, and nothing normalizes it.",
    build=Vgg,
    batch=batch,
    rules=("IH201", "IH301", "IH106", "IH206"),
    layers=("features",),
    optimizer="adam",
    rates=(3e-3, 1e-3),
    steps=200,
    fresh=True,
)

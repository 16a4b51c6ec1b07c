"""fizyr/keras-retinanet#712: the kernel of the classification output starts at zero."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

CLASSES, GRID, CELL = 4, 6, 4
COLORS = torch.randn(CLASSES, 3, generator=generator(-1))


class RetinaNet(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 24, 3, 2, 1), nn.ReLU())
        self.classification, self.regression = tower(), tower()
        self.class_output, self.box_output = nn.Conv2d(24, CLASSES, 3, padding=1), nn.Conv2d(24, 2, 3, padding=1)
        nn.init.constant_(self.class_output.bias, -math.log(0.99 / 0.01))
        nn.init.normal_(self.box_output.weight, std=0.01)
        nn.init.zeros_(self.box_output.bias)
        if broken:
            nn.init.zeros_(self.class_output.weight)
        else:
            nn.init.normal_(self.class_output.weight, std=0.01)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.backbone(images)
        return self.class_output(self.classification(features)), self.box_output(self.regression(features))


def tower() -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(2):
        conv = nn.Conv2d(24, 24, 3, padding=1)
        nn.init.normal_(conv.weight, std=0.05)
        nn.init.zeros_(conv.bias)
        layers += [conv, nn.ReLU()]
    return nn.Sequential(*layers)


def batch(i: int) -> Batch:
    """Two objects an image, of a color for each class and a brightness that the boxes follow."""
    g = generator(i)
    images = 0.3 * torch.randn(16, 3, GRID * CELL, GRID * CELL, generator=g)
    found, boxes = torch.zeros(16, CLASSES, GRID, GRID), torch.zeros(16, 2, GRID, GRID)
    cells, kinds = torch.randint(0, GRID, (2, 16, 2), generator=g), torch.randint(0, CLASSES, (16, 2), generator=g)
    bright = 1 + torch.rand(16, 2, generator=g)
    for k in range(16):
        for n in range(2):
            row, column = cells[0, k, n], cells[1, k, n]
            area = images[k, :, CELL * row : CELL * (row + 1), CELL * column : CELL * (column + 1)]
            area += (bright[k, n] * COLORS[kinds[k, n]])[:, None, None]
            found[k, kinds[k, n], row, column] = 1
            boxes[k, :, row, column] = torch.stack([bright[k, n] - 1, 1 - bright[k, n]])

    def loss(output: tuple[Tensor, Tensor]) -> Tensor:
        logits, sizes = output
        right = torch.where(found > 0, logits.sigmoid(), 1 - logits.sigmoid())
        entropy = F.binary_cross_entropy_with_logits(logits, found, reduction="none")
        focal = (torch.where(found > 0, 0.25, 0.75) * (1 - right) ** 2 * entropy).sum()
        object_here = found.amax(1, keepdim=True)
        return (focal + ((sizes - boxes).abs() * object_here).sum()) / 32

    return (images,), loss


CASE = Case(
    name="retinanet_zero_kernel",
    source="fizyr/keras-retinanet#712",
    fault="The kernel of the classification output is zero, so at first all positions have the prior probability.",
    build=RetinaNet,
    batch=batch,
    rules=("IH103", "IH304"),
    layers=("class_output",),
    optimizer="adam",
    rates=(3e-3, 1e-3),
    steps=150,
    fresh=True,
)

"""open-mmlab/mmdetection#5181: the heads of all scales start with bias zero, though nearly all cells are empty."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

CLASSES, GRIDS = 4, (16, 8)
COLORS = 3 * F.normalize(torch.randn(CLASSES, 3, generator=generator(-1)), dim=1)


def block(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.LeakyReLU(0.1))


class Yolov3(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.stem, self.down = nn.Sequential(block(3, 24, 2), block(24, 32, 1)), block(32, 32, 2)
        self.convs_pred = nn.ModuleList(nn.Conv2d(32, 3 + CLASSES, 1) for _ in GRIDS)
        for head, grid in zip(self.convs_pred, GRIDS, strict=True):
            nn.init.zeros_(head.bias)
            if not broken:
                nn.init.constant_(head.bias[2:3], -math.log(grid**2))  # one object an image
                nn.init.constant_(head.bias[3:], math.log(0.01 / 0.99))

    def forward(self, images: Tensor) -> list[Tensor]:
        """For each scale: width, height, objectness and classes of each cell."""
        fine = self.stem(images)
        return [head(features) for head, features in zip(self.convs_pred, (fine, self.down(fine)), strict=True)]


def batch(i: int) -> Batch:
    """One small and one large square an image, for the fine and the coarse scale."""
    g = generator(i)
    images = 0.5 * torch.randn(8, 3, 32, 32, generator=g)
    targets = [torch.zeros(8, 3 + CLASSES, grid, grid) for grid in GRIDS]
    for target, grid in zip(targets, GRIDS, strict=True):
        cell = 32 // grid
        rows, columns = torch.randint(0, grid, (2, 8), generator=g).tolist()
        for k, kind in enumerate(torch.randint(0, CLASSES, (8,), generator=g).tolist()):
            row, column = rows[k], columns[k]
            square = images[k, :, cell * row : cell * (row + 1), cell * column : cell * (column + 1)]
            square += COLORS[kind][:, None, None]
            target[k, :3, row, column] = torch.tensor([0.5, -0.5, 1.0]) + torch.tensor([kind, kind, 0]) / 4
            target[k, 3 + kind, row, column] = 1

    def loss(output: list[Tensor]) -> Tensor:
        total = torch.zeros(())
        for found, target in zip(output, targets, strict=True):
            object_here = target[:, 2:3]
            total = total + F.binary_cross_entropy_with_logits(found[:, 2], target[:, 2], reduction="sum")
            classes = F.binary_cross_entropy_with_logits(found[:, 3:], target[:, 3:], reduction="none")
            sizes = (found[:, :2] - target[:, :2]) ** 2
            total = total + ((classes.sum(1, keepdim=True) + sizes.sum(1, keepdim=True)) * object_here).sum()
        return total / 8

    return (images,), loss


CASE = Case(
    name="yolov3_no_prior",
    source="open-mmlab/mmdetection#5181",
    fault="The objectness of each scale starts at 0.5, so the summed loss of the empty cells is very large at first.",
    build=Yolov3,
    batch=batch,
    rules=("IH208",),
    layers=("convs_pred",),
    optimizer="sgd",
    rates=(1e-2, 3e-3, 1e-3),
    steps=200,
)

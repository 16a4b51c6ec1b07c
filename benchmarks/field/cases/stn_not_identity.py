"""kevinzakka/spatial-transformer-network#10: the localization network does not start at the identity transform."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

CLASSES, SIZE, SHAPE = 6, 24, 12
SHAPES = 3 * F.avg_pool2d(torch.randn(CLASSES, 1, SHAPE, SHAPE, generator=generator(-1)), 3, 1, 1)


class SpatialTransformer(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.localization = nn.Sequential(
            nn.Conv2d(1, 8, 5, 2),
            nn.ReLU(),
            nn.Conv2d(8, 8, 5, 2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(72, 20),
            nn.Tanh(),
        )
        self.theta = nn.Linear(20, 6)
        if broken:
            nn.init.normal_(self.theta.weight, std=1.0)
            nn.init.normal_(self.theta.bias, std=2.0)
        else:
            nn.init.zeros_(self.theta.weight)
            self.theta.bias.data = torch.tensor([1.0, 0.0, 0.0, 0.0, 1.0, 0.0])
        self.classifier = nn.Sequential(
            nn.Conv2d(1, 16, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(16, 16, 3, 2, 1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(576, CLASSES),
        )

    def forward(self, images: Tensor) -> Tensor:
        theta = self.theta(self.localization(images)).unflatten(1, (2, 3))
        grid = F.affine_grid(theta, list(images.shape), align_corners=False)
        return self.classifier(F.grid_sample(images, grid, align_corners=False))


def batch(i: int) -> Batch:
    """A shape near the center of an image with noise."""
    g = generator(i)
    target = torch.randint(0, CLASSES, (32,), generator=g)
    images = 0.1 * torch.randn(32, 1, SIZE, SIZE, generator=g)
    corners = torch.randint(3, 9, (32, 2), generator=g).tolist()
    for image, kind, (row, column) in zip(images, target, corners, strict=True):
        image[:, row : row + SHAPE, column : column + SHAPE] += SHAPES[kind]
    return (images,), lambda output: F.cross_entropy(output, target)


CASE = Case(
    name="stn_not_identity",
    source="kevinzakka/spatial-transformer-network#10",
    fault="The last layer of the localization network starts at random, so the sampling grid misses the image.",
    build=SpatialTransformer,
    batch=batch,
    rules=("IH205",),
    layers=("theta",),
    optimizer="sgd",
    rates=(0.03, 0.01),
    steps=200,
    known=True,
)

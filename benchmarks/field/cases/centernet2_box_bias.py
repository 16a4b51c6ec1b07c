"""xingyizhou/CenterNet2#71: without a positive bias, the ReLU behind the box head gives boxes without an area."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

CELLS, ANCHOR = 12, 8.0
PRIOR = -4.59  # log(0.01 / 0.99)


class CenterNetHead(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(3, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 32, 3, 2, 1), nn.BatchNorm2d(32)
        )
        self.bbox_tower = nn.Sequential(nn.Conv2d(32, 32, 3, 1, 1), nn.GroupNorm(8, 32), nn.ReLU())
        self.agn_hm, self.bbox_pred = nn.Conv2d(32, 1, 3, 1, 1), nn.Conv2d(32, 4, 3, 1, 1)
        self.scale = nn.Parameter(torch.ones(()))
        for layer in (self.bbox_tower[0], self.agn_hm, self.bbox_pred):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)
        nn.init.constant_(self.agn_hm.bias, PRIOR)
        if not broken:
            nn.init.constant_(self.bbox_pred.bias, ANCHOR)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The heatmap of centers, and the distances to the sides of the box of each cell."""
        tower = self.bbox_tower(F.relu(self.backbone(images)))
        return self.agn_hm(tower), F.relu(self.scale * self.bbox_pred(tower))


def giou_loss(found: Tensor, target: Tensor) -> Tensor:
    """Of boxes (left, top, right, bottom) around the same point."""
    areas = (found[:, 0] + found[:, 2]) * (found[:, 1] + found[:, 3])
    target_areas = (target[:, 0] + target[:, 2]) * (target[:, 1] + target[:, 3])
    inner, outer = torch.minimum(found, target), torch.maximum(found, target)
    overlap = (inner[:, 0] + inner[:, 2]) * (inner[:, 1] + inner[:, 3])
    enclosing = (outer[:, 0] + outer[:, 2]) * (outer[:, 1] + outer[:, 3])
    union = areas + target_areas - overlap
    return 1 - overlap / union + (enclosing - union) / enclosing


def batch(i: int) -> Batch:
    """One object an image; the colors at its center show the sides of its box."""
    g = generator(i)
    images = 0.3 * torch.randn(16, 3, 4 * CELLS, 4 * CELLS, generator=g)
    rows, columns = torch.randint(1, CELLS - 1, (2, 16), generator=g)
    shape = torch.rand(16, 2, generator=g)
    sides = (ANCHOR * 4 ** (shape - 0.5)).repeat(1, 2)
    centers = torch.zeros(16, 1, CELLS, CELLS)
    centers[torch.arange(16), 0, rows, columns] = 1
    shown = torch.cat([torch.full((16, 1), 3.0), 4 * shape - 2], 1)
    images = images + F.interpolate(centers, scale_factor=4) * shown[:, :, None, None]

    def loss(output: tuple[Tensor, Tensor]) -> Tensor:
        heatmap, boxes = output
        entropy = F.binary_cross_entropy_with_logits(heatmap, centers, reduction="none")
        focal = (1 - (-entropy).exp()) ** 2 * entropy
        at_centers = boxes[torch.arange(16), :, rows, columns]
        return 0.5 * focal.sum() / 16 + 2 * giou_loss(at_centers, sides).mean()

    return (images,), loss


CASE = Case(
    name="centernet2_box_bias",
    source="xingyizhou/CenterNet2#71",
    fault="The box head starts with bias 0 where it needs 8, so many box sides are 0 behind its ReLU.",
    build=CenterNetHead,
    batch=batch,
    rules=("IH204", "IH208"),
    layers=("bbox_pred",),
    optimizer="sgd",
    rates=(3e-2, 1e-2, 3e-3),
    steps=200,
)

"""lwpyr/CSP-pedestrian-detection-in-pytorch#4: the bias with the prior is set on the size head, not on the centers."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

CELLS = 24
PRIOR = -4.59  # log(0.01 / 0.99)


class Csp(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.feat = nn.Sequential(
            nn.Conv2d(3, 32, 3, 2, 1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Conv2d(32, 32, 3, 1, 1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
        )
        self.pos_conv, self.reg_conv = nn.Conv2d(32, 1, 1), nn.Conv2d(32, 1, 1)
        nn.init.xavier_normal_(self.pos_conv.weight)
        nn.init.xavier_normal_(self.reg_conv.weight)
        nn.init.constant_(self.pos_conv.bias, 0 if broken else PRIOR)
        nn.init.constant_(self.reg_conv.bias, PRIOR if broken else 0)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.feat(images)
        return self.pos_conv(features), self.reg_conv(features)


def batch(i: int) -> Batch:
    """One bright square an image; the second channel shows its height."""
    g = generator(i)
    images = 0.5 * torch.randn(8, 3, 2 * CELLS, 2 * CELLS, generator=g)
    rows, columns = torch.randint(0, CELLS, (2, 8), generator=g).tolist()
    heights = 0.5 * torch.randn(8, generator=g)
    centers, sizes = torch.zeros(8, 1, CELLS, CELLS), torch.zeros(8, 1, CELLS, CELLS)
    for k, (row, column) in enumerate(zip(rows, columns, strict=True)):
        square = images[k, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        square[0] += 3
        square[1] += 2 * heights[k]
        centers[k, 0, row, column] = 1
        sizes[k, 0, row, column] = 1 + heights[k]

    def loss(output: tuple[Tensor, Tensor]) -> Tensor:
        position, height = output
        entropy = F.binary_cross_entropy_with_logits(position, centers, reduction="none")
        focal = (1 - (-entropy).exp()) ** 2 * entropy
        error = F.smooth_l1_loss(height, sizes, reduction="none") * centers
        return (0.01 * focal.sum() + error.sum()) / centers.sum()

    return (images,), loss


CASE = Case(
    name="csp_swapped_prior",
    source="lwpyr/CSP-pedestrian-detection-in-pytorch#4",
    fault="The bias for rare positives is set on the regression head, and the classification head has none.",
    build=Csp,
    batch=batch,
    rules=("IH208",),
    layers=("pos_conv", "reg_conv"),
    optimizer="adam",
    rates=(3e-3, 1e-3),
    steps=200,
    known=True,
)

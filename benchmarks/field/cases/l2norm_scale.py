"""sfzhang15/SFD#26: the scales of the L2 normalizations are far too large; the first loss is 20,000, then NaN."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

CELLS = 12


class L2Norm(nn.Module):
    def __init__(self, channels: int, scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), scale))

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(x, dim=1) * self.weight[:, None, None]


class FaceDetector(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.conv3 = nn.Sequential(nn.Conv2d(3, 24, 3, 2, 1), nn.ReLU(), nn.Conv2d(24, 24, 3, 1, 1), nn.ReLU())
        self.conv4 = nn.Sequential(nn.Conv2d(24, 24, 3, 2, 1), nn.ReLU())
        self.conv3_norm = L2Norm(24, 2000.0 if broken else 10.0)
        self.conv4_norm = L2Norm(24, 1600.0 if broken else 8.0)
        self.conv3_conf, self.conv3_loc = nn.Conv2d(24, 2, 3, 1, 1), nn.Conv2d(24, 4, 3, 1, 1)
        self.conv4_conf, self.conv4_loc = nn.Conv2d(24, 2, 3, 1, 1), nn.Conv2d(24, 4, 3, 1, 1)
        for head in (self.conv3_conf, self.conv3_loc, self.conv4_conf, self.conv4_loc):
            nn.init.xavier_uniform_(head.weight)
            nn.init.zeros_(head.bias)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        shallow = self.conv3(images)
        deep = self.conv4_norm(self.conv4(shallow))
        shallow = self.conv3_norm(shallow)
        return self.conv3_conf(shallow), self.conv3_loc(shallow), self.conv4_conf(deep), self.conv4_loc(deep)


def batch(i: int) -> Batch:
    """Four bright squares an image, with fixed offsets to regress at each."""
    g = generator(i)
    images = 0.5 * torch.randn(8, 3, 2 * CELLS, 2 * CELLS, generator=g)
    fine = torch.zeros(8, CELLS, CELLS, dtype=torch.long)
    for image, faces, places in zip(
        images, fine, torch.randint(0, CELLS, (8, 4, 2), generator=g).tolist(), strict=True
    ):
        for row, column in places:
            if not faces[row, column]:
                image[0, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2] += 3
            faces[row, column] = 1
    coarse = F.max_pool2d(fine[:, None].float(), 2)[:, 0].long()

    def loss(output: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
        confidence = F.cross_entropy(output[0], fine) + F.cross_entropy(output[2], coarse)
        return confidence + _offsets(output[1], 0.5, fine) + _offsets(output[3], -0.5, coarse)

    return (images,), loss


def _offsets(found: Tensor, target: float, faces: Tensor) -> Tensor:
    errors = F.smooth_l1_loss(found, torch.full_like(found, target), reduction="none").mean(1)
    return errors[faces == 1].mean()


CASE = Case(
    name="l2norm_scale",
    source="sfzhang15/SFD#26",
    fault="The learned scales after L2 normalization start 200 times too large.",
    build=FaceDetector,
    batch=batch,
    rules=("IH106", "IH208"),
    layers=("conv3_norm", "conv4_norm"),
    optimizer="sgd",
    rates=(0.01, 0.001),
    steps=150,
    known=True,
)

"""BVLC/caffe#3906: the bilinear initialization of a deconvolution makes all its channels the same."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

CLASSES, SIDE = 4, 16
BLUR = torch.full((1, 1, 5, 5), 1 / 25)
COLORS = torch.randn(CLASSES, 3, generator=generator(-1))


class Fcn(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(), nn.Conv2d(32, 32, 1), nn.ReLU()
        )
        self.score = nn.Conv2d(32, CLASSES, 1)
        self.upscore = nn.ConvTranspose2d(CLASSES, CLASSES, 8, 4, 2, bias=False)
        tent = 1 - ((torch.arange(8) - 3.5) / 4).abs()
        with torch.no_grad():
            if broken:
                self.upscore.weight.copy_(tent * tent[:, None])
            else:
                self.upscore.weight.zero_()
                self.upscore.weight[range(CLASSES), range(CLASSES)] = tent * tent[:, None]

    def forward(self, images: Tensor) -> Tensor:
        return self.upscore(self.score(self.features(images)))


def batch(i: int) -> Batch:
    """Regions of four textures with noise over them."""
    g = generator(i)
    smooth = F.conv2d(torch.randn(8 * CLASSES, 1, SIDE + 4, SIDE + 4, generator=g), BLUR)
    classes = smooth.view(8, CLASSES, SIDE, SIDE).argmax(1)
    images = COLORS[classes].permute(0, 3, 1, 2) + 0.5 * torch.randn(8, 3, SIDE, SIDE, generator=g)
    return (images,), lambda output: F.cross_entropy(output, classes)


CASE = Case(
    name="bilinear_all_channels",
    source="BVLC/caffe#3906",
    fault="Every pair of channels of the upsampling has the bilinear filter, so all classes get the same logits.",
    build=Fcn,
    batch=batch,
    rules=("IH104", "IH105", "IH206", "IH207", "IH304", "IH305"),
    layers=("upscore",),
    optimizer="sgd",
    rates=(3e-2, 1e-2, 3e-3),
    steps=250,
    fresh=True,
)

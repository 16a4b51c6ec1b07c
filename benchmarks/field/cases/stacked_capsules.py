"""XifengGuo/CapsNet-Keras#43: a second capsule layer, with transformation matrices that start too small for it."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

CLASSES, SIDE, MAPS = 10, 14, 8
TEMPLATES = torch.randn(CLASSES, 1, SIDE, SIDE, generator=generator(-1))


def squash(s: Tensor) -> Tensor:
    square = s.square().sum(-1, keepdim=True)
    return square / (1 + square) * s / (square + 1e-7).sqrt()


class CapsuleLayer(nn.Module):
    def __init__(self, capsules_in: int, size_in: int, size_out: int, glorot: bool) -> None:
        super().__init__()
        # Keras counts the first two dimensions as a receptive field.
        fans = (size_in + size_out) * CLASSES * capsules_in
        bound = math.sqrt(6 / fans) if glorot else 1.0
        self.W = nn.Parameter(torch.empty(CLASSES, capsules_in, size_out, size_in).uniform_(-bound, bound))

    def forward(self, capsules: Tensor) -> Tensor:
        predicted = torch.einsum("ciod,bid->bico", self.W, capsules)
        logits = torch.zeros(predicted.shape[:3])
        for _ in range(2):
            outputs = squash((logits.softmax(2)[..., None] * predicted).sum(1))
            logits = logits + (predicted * outputs[:, None]).sum(3)
        return outputs


class CapsNet(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.conv1, self.primary = nn.Conv2d(1, 32, 5), nn.Conv2d(32, MAPS * 8, 5, 2)
        self.digitcaps2 = CapsuleLayer(MAPS * 9, 8, 16, glorot=broken)
        self.digitcaps = CapsuleLayer(CLASSES, 16, 16, glorot=broken)

    def forward(self, images: Tensor) -> Tensor:
        features = self.primary(F.relu(self.conv1(images)))
        capsules = squash(features.unflatten(1, (MAPS, 8)).permute(0, 1, 3, 4, 2).flatten(1, 3))
        return self.digitcaps(self.digitcaps2(capsules)).norm(dim=2)


def batch(i: int) -> Batch:
    g = generator(i)
    target = torch.randint(0, CLASSES, (32,), generator=g)
    images = TEMPLATES[target] + torch.randn(32, 1, SIDE, SIDE, generator=g)
    present = F.one_hot(target, CLASSES).float()

    def margin(lengths: Tensor) -> Tensor:
        found, others = F.relu(0.9 - lengths).square(), F.relu(lengths - 0.1).square()
        return (present * found + 0.5 * (1 - present) * others).sum(1).mean()

    return (images,), margin


CASE = Case(
    name="stacked_capsules",
    source="XifengGuo/CapsNet-Keras#43",
    fault="Keras' Glorot bound makes the transformation matrices so small that two squashed layers lose the signal.",
    build=CapsNet,
    batch=batch,
    rules=("IH106", "IH201", "IH303"),
    layers=("digitcaps2", "digitcaps"),
    optimizer="adam",
    rates=(3e-3, 1e-3),
    steps=150,
)

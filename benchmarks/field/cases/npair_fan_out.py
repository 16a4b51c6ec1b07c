"""sung-yeon-kim/Proxy-Anchor-CVPR2020#19: the N-pair loss needs PyTorch's default weights in the embedding layer."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

CLASSES, INPUTS, TRAITS, WIDTH, EMBEDDED = 32, 48, 6, 128, 32
WORLD = torch.randn(TRAITS + 12, INPUTS, generator=generator(-1)) / 4


class Embedder(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Linear(INPUTS, WIDTH),
            nn.BatchNorm1d(WIDTH),
            nn.ReLU(),
            nn.Linear(WIDTH, WIDTH),
            nn.BatchNorm1d(WIDTH),
            nn.ReLU(),
        )
        self.embedding = nn.Linear(WIDTH, EMBEDDED)
        if broken:
            nn.init.kaiming_normal_(self.embedding.weight, mode="fan_out")
            nn.init.zeros_(self.embedding.bias)

    def forward(self, items: Tensor) -> Tensor:
        return self.embedding(self.backbone(items))


def batch(i: int) -> Batch:
    """Two items of each of 32 new classes: a class is a point in the space of traits, the rest is nuisance."""
    g = generator(i)
    traits = torch.randn(CLASSES, TRAITS, generator=g).repeat(2, 1)
    nuisance = torch.randn(2 * CLASSES, 12, generator=g)
    items = torch.tanh(torch.cat([traits, nuisance], 1) @ WORLD)

    def loss(output: Tensor) -> Tensor:
        anchors, positives = output.chunk(2)
        norms = output.norm(dim=1).mean()
        return F.cross_entropy(anchors @ positives.T, torch.arange(CLASSES)) + 0.02 * norms

    return (items,), loss


CASE = Case(
    name="npair_fan_out",
    source="sung-yeon-kim/Proxy-Anchor-CVPR2020#19",
    fault="The embedding layer has std sqrt(2 / fan_out), and the loss takes products of embeddings as logits.",
    build=Embedder,
    batch=batch,
    rules=("IH106", "IH202", "IH208"),
    layers=("embedding",),
    optimizer="adam",
    rates=(3e-3, 1e-3, 3e-4),
    steps=300,
    fresh=True,
)

"""NVlabs/tiny-cuda-nn#122: a hash grid from U(-1, 1) instead of U(-1e-4, 1e-4) does not converge."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

RESOLUTIONS, ENTRIES, FEATURES, PRIME = (4, 7, 12, 21, 36, 62), 1024, 2, 2654435761
FREQUENCIES = 8 * torch.randn(12, 2, generator=generator(-1))
PHASES = 2 * math.pi * torch.rand(12, generator=generator(-2))


class HashField(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        bound = 1.0 if broken else 1e-4
        self.tables = nn.Parameter(torch.empty(len(RESOLUTIONS), ENTRIES, FEATURES).uniform_(-bound, bound))
        self.mlp = nn.Sequential(
            nn.Linear(len(RESOLUTIONS) * FEATURES, 32, bias=False),
            nn.ReLU(),
            nn.Linear(32, 32, bias=False),
            nn.ReLU(),
            nn.Linear(32, 1, bias=False),
        )
        for layer in self.mlp:
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)

    def forward(self, points: Tensor) -> Tensor:
        levels = [interpolated(table, points * size) for table, size in zip(self.tables, RESOLUTIONS, strict=True)]
        return self.mlp(torch.cat(levels, 1))[:, 0]


def interpolated(table: Tensor, points: Tensor) -> Tensor:
    low = points.floor()
    share = points - low
    total = torch.zeros(len(points), FEATURES)
    for right in (0, 1):
        for up in (0, 1):
            corner = low.long() + torch.tensor([right, up])
            index = (corner[:, 0] ^ (corner[:, 1] * PRIME)) % ENTRIES
            weight = (share[:, 0] if right else 1 - share[:, 0]) * (share[:, 1] if up else 1 - share[:, 1])
            total = total + weight[:, None] * table[index]
    return total


def batch(i: int) -> Batch:
    """Random points of a fixed image."""
    points = torch.rand(1024, 2, generator=generator(i))
    image = torch.sin(points @ FREQUENCIES.T + PHASES).sum(1) / math.sqrt(6)
    return (points,), lambda output: F.mse_loss(output, image)


CASE = Case(
    name="hash_grid_wide",
    source="NVlabs/tiny-cuda-nn#122",
    fault="The entries of the hash grid are 10,000 times too large: noise that training has to remove cell by cell.",
    build=HashField,
    batch=batch,
    rules=("IH106", "IH202", "IH208"),
    layers=("tables",),
    optimizer="adam",
    rates=(1e-2, 3e-3),
    steps=250,
    fresh=True,
)

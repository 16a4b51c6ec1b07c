"""A model with several faults and findings of every severity, used to validate the report formats."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Unhealthy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
        self.unused, self.head = nn.Linear(64, 64), nn.Linear(64, 4)
        nn.init.constant_(self.body[2].weight, 0.1)
        nn.init.constant_(self.head.weight, float("nan"))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.body(x))
        return logits


def build() -> tuple[nn.Module, Tensor]:
    return Unhealthy(), torch.randn(32, 16, generator=torch.Generator().manual_seed(1))

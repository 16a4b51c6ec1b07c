"""PaddlePaddle/PaddleRec#721: all weights of a mixture of experts start at 0.1, so the experts are identical."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

FEATURES, EXPERTS, WIDTH, TASKS = 12, 4, 16, 2
DIRECTIONS = torch.randn(FEATURES, 4, generator=generator(-1))


class Mmoe(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.experts = nn.ModuleList(nn.Linear(FEATURES, WIDTH) for _ in range(EXPERTS))
        self.gates = nn.ModuleList(nn.Linear(FEATURES, EXPERTS) for _ in range(TASKS))
        self.towers = nn.ModuleList(nn.Linear(WIDTH, 8) for _ in range(TASKS))
        self.tower_outs = nn.ModuleList(nn.Linear(8, 2) for _ in range(TASKS))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.constant_(module.bias, 0.1)
                if broken:
                    nn.init.constant_(module.weight, 0.1)
                else:
                    nn.init.xavier_uniform_(module.weight)

    def forward(self, features: Tensor) -> list[Tensor]:
        experts = torch.stack([F.relu(expert(features)) for expert in self.experts], 1)
        outputs = []
        for gate, tower, tower_out in zip(self.gates, self.towers, self.tower_outs, strict=True):
            mixed = (gate(features).softmax(1)[:, :, None] * experts).sum(1)
            outputs.append(tower_out(F.relu(tower(mixed))))
        return outputs


def batch(i: int) -> Batch:
    """Two related tasks: each multiplies two directions of the features, one of which they share."""
    features = torch.randn(256, FEATURES, generator=generator(i))
    shared, first, second, _ = (features @ DIRECTIONS).T
    targets = [(shared * first > 0).long(), (shared * second > 0).long()]

    def loss(output: list[Tensor]) -> Tensor:
        return sum(
            (F.cross_entropy(found, target) for found, target in zip(output, targets, strict=True)), torch.zeros(())
        )

    return (features,), loss


CASE = Case(
    name="mmoe_constant_experts",
    source="PaddlePaddle/PaddleRec#721",
    fault="Every weight and bias is 0.1, so all units of all experts compute the same function.",
    build=Mmoe,
    batch=batch,
    rules=("IH104", "IH105", "IH305", "IH401"),
    layers=("experts", "gates", "towers", "tower_outs"),
    optimizer="adam",
    rates=(1e-2, 3e-3),
    steps=400,
)

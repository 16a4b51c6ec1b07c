"""jingyaogong/minimind#858: the weight of the single chosen expert is normalized to 1."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

INPUTS, EXPERTS = 16, 4
DIRECTIONS = torch.randn(EXPERTS, INPUTS, generator=generator(-1))
MAPS = torch.randn(EXPERTS, INPUTS, INPUTS, generator=generator(-2)) / INPUTS**0.5


class Expert(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(INPUTS, 4 * INPUTS), nn.Linear(4 * INPUTS, INPUTS)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.silu(self.up(x)))


class Mixture(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.gate = nn.Linear(INPUTS, EXPERTS, bias=False)
        self.experts = nn.ModuleList(Expert() for _ in range(EXPERTS))
        self.broken = broken

    def forward(self, x: Tensor) -> Tensor:
        weight, chosen = self.gate(x).softmax(1).topk(1, dim=1)
        if self.broken:
            weight = weight / (weight.sum(1, keepdim=True) + 1e-20)
        outputs = torch.zeros_like(x)
        for i, expert in enumerate(self.experts):
            mine = (chosen[:, 0] == i).nonzero()[:, 0]
            outputs = outputs.index_add(0, mine, weight[mine] * expert(x[mine]))
        return outputs


def batch(i: int) -> Batch:
    """One of four linear maps, chosen by the direction of the input."""
    x = torch.randn(256, INPUTS, generator=generator(i))
    target = torch.einsum("noi,ni->no", MAPS[(x @ DIRECTIONS.T).argmax(1)], x)
    return (x,), lambda output: F.mse_loss(output, target)


CASE = Case(
    name="router_top1",
    source="jingyaogong/minimind#858",
    fault="With one expert per token the normalized weight is the constant 1, so the router receives no gradient.",
    build=Mixture,
    batch=batch,
    rules=("IH304",),
    layers=("gate",),
    optimizer="adam",
    rates=(1e-2, 3e-3),
    steps=400,
)

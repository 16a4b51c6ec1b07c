"""PaddlePaddle/PaddleFleet#991: grouped experts start at U(-0.001, 0.001) where Megatron uses N(0, 0.02)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

CLUSTERS, EXPERTS, TOP, WIDTH, INNER, CLASSES, DEPTH = 8, 4, 2, 32, 32, 6, 2
STD = 0.16  # the gain that 0.02 has at a width of 2048
BOUND = 0.008  # the gain that 0.001 has there
CENTERS = 1.5 * torch.randn(CLUSTERS, WIDTH, generator=generator(-1))
TEACHERS = torch.randn(CLUSTERS, WIDTH, CLASSES, generator=generator(-2))


class Experts(nn.Module):
    """All experts in two weights, as grouped matrix multiplications use them."""

    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.gate = nn.Linear(WIDTH, EXPERTS, bias=False)
        self.weight1 = nn.Parameter(torch.empty(EXPERTS, WIDTH, INNER))
        self.weight2 = nn.Parameter(torch.empty(EXPERTS, INNER, WIDTH))
        nn.init.normal_(self.gate.weight, std=STD)
        if broken:
            nn.init.uniform_(self.weight1, -BOUND, BOUND)
            nn.init.uniform_(self.weight2, -BOUND, BOUND)
        else:
            nn.init.normal_(self.weight1, std=STD)
            nn.init.normal_(self.weight2, std=STD / (2 * DEPTH) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        scores = self.gate(x).softmax(1)
        top, chosen = scores.topk(TOP)
        gates = torch.zeros_like(scores).scatter(1, chosen, top)
        inner = F.silu(torch.einsum("bi,eij->ebj", x, self.weight1))
        return torch.einsum("be,ebj,ejo->bo", gates, inner, self.weight2)


class Layer(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.norm, self.experts = nn.RMSNorm(WIDTH), Experts(broken)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.experts(self.norm(x))


class MixtureOfExperts(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(Layer(broken) for _ in range(DEPTH)))
        self.norm, self.head = nn.RMSNorm(WIDTH), nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.layers(x)))


def batch(i: int) -> Batch:
    """Each cluster of inputs has its own linear teacher."""
    g = generator(i)
    cluster = torch.randint(0, CLUSTERS, (256,), generator=g)
    offsets = torch.randn(256, WIDTH, generator=g)
    target = torch.einsum("bi,bij->bj", offsets, TEACHERS[cluster]).argmax(1)
    return (CENTERS[cluster] + offsets,), lambda output: F.cross_entropy(output, target)


CASE = Case(
    name="moe_tiny_experts",
    source="PaddlePaddle/PaddleFleet#991",
    fault="The weights of all experts start about 35 times too small, so the experts add almost nothing.",
    build=MixtureOfExperts,
    batch=batch,
    rules=("IH106", "IH201", "IH301"),
    layers=tuple(f"layers.{layer}.experts.{weight}" for layer in range(DEPTH) for weight in ("weight1", "weight2")),
    optimizer="adam",
    rates=(1e-2, 3e-3),
    steps=250,
    fresh=True,
)

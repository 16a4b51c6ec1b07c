"""davidmrau/mixture-of-experts#27: with a single expert chosen, the softmax over the chosen logits is always 1."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

CLUSTERS, WIDTH, CLASSES = 4, 16, 4
CENTERS = 2 * torch.randn(CLUSTERS, WIDTH, generator=generator(-1))
TEACHERS = torch.randn(CLUSTERS, WIDTH, CLASSES, generator=generator(-2))


class MixtureOfExperts(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(WIDTH, 8), nn.ReLU(), nn.Linear(8, CLASSES)) for _ in range(CLUSTERS)
        )
        self.w_gate = nn.Parameter(torch.zeros(WIDTH, CLUSTERS))
        self.broken = broken

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        logits = x @ self.w_gate + noise
        if self.broken:
            top, chosen = logits.topk(1)
            gate = top.softmax(1)
        else:
            gate, chosen = logits.softmax(1).topk(1)
        outputs = torch.stack([expert(x) for expert in self.experts], 1)
        return gate * outputs[torch.arange(len(x)), chosen.squeeze(1)]


def batch(i: int) -> Batch:
    """Each cluster of inputs has its own linear teacher."""
    g = generator(i)
    cluster = torch.randint(0, CLUSTERS, (256,), generator=g)
    offsets = torch.randn(256, WIDTH, generator=g)
    target = torch.einsum("bi,bij->bj", offsets, TEACHERS[cluster]).argmax(1)
    noise = 0.7 * torch.randn(256, CLUSTERS, generator=g)
    return (CENTERS[cluster] + offsets, noise), lambda output: F.cross_entropy(output, target)


CASE = Case(
    name="moe_top1_gate",
    source="davidmrau/mixture-of-experts#27",
    fault="The gate's softmax runs over the one chosen logit, so the gate is 1 and its weights receive no gradient.",
    build=MixtureOfExperts,
    batch=batch,
    rules=("IH103", "IH304"),
    layers=("w_gate",),
    optimizer="adam",
    rates=(1e-2, 3e-3),
    steps=400,
)

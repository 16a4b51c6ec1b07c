"""shenweichen/DeepCTR-Torch#312: the attention of AutoInt starts with a std of 0.05 instead of TensorFlow's 1."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

FIELDS, VALUES, WIDTH, HEADS = 6, 12, 8, 2
TRAITS = 1.2 * torch.randn(FIELDS, VALUES, 2, generator=generator(-1))


class Interacting(nn.Module):
    """Attention among the fields of a row."""

    def __init__(self, inputs: int, broken: bool) -> None:
        super().__init__()
        self.query, self.key, self.value, self.residual = (
            nn.Parameter(torch.empty(inputs, WIDTH * HEADS)) for _ in range(4)
        )
        for weight in self.parameters():
            if broken:
                nn.init.normal_(weight, std=0.05)
            else:
                nn.init.trunc_normal_(weight, std=1.0, a=-2.0, b=2.0)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = ((x @ w).unflatten(2, (HEADS, -1)).transpose(1, 2) for w in (self.query, self.key, self.value))
        scores = (q @ k.transpose(2, 3)).softmax(-1)
        return F.relu((scores @ v).transpose(1, 2).flatten(2) + x @ self.residual)


class AutoInt(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(FIELDS * VALUES, WIDTH)
        self.linear = nn.Embedding(FIELDS * VALUES, 1)
        for embedding in (self.embeddings, self.linear):
            nn.init.normal_(embedding.weight, std=1e-4)
        self.interacting = nn.Sequential(
            Interacting(WIDTH, broken), Interacting(WIDTH * HEADS, broken), Interacting(WIDTH * HEADS, broken)
        )
        self.output = nn.Linear(FIELDS * WIDTH * HEADS, 1)

    def forward(self, rows: Tensor) -> Tensor:
        index = rows + VALUES * torch.arange(FIELDS)
        interactions = self.interacting(self.embeddings(index)).flatten(1)
        return (self.output(interactions) + self.linear(index).sum(1))[:, 0]


def batch(i: int) -> Batch:
    """Whether a row is clicked depends on products of the traits of its fields."""
    g = generator(i)
    rows = torch.randint(0, VALUES, (128, FIELDS), generator=g)
    traits = TRAITS[torch.arange(FIELDS), rows]
    product = (traits[:, :3] * traits[:, 3:]).sum((1, 2))
    clicked = torch.bernoulli(torch.sigmoid(1.5 * product), generator=g)
    return (rows,), lambda output: F.binary_cross_entropy_with_logits(output, clicked)


CASE = Case(
    name="autoint_small_attention",
    source="shenweichen/DeepCTR-Torch#312",
    fault="The weights of the interacting layers are small, and each layer reduces the small embeddings further.",
    build=AutoInt,
    batch=batch,
    rules=("IH106", "IH201", "IH301"),
    layers=("interacting",),
    optimizer="adam",
    rates=(1e-2, 3e-3),
    steps=200,
    fresh=True,
)

"""facebookresearch/dlrm#358: biases are drawn with std 1/sqrt(units); a negative one makes the ReLU output zero."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

DENSE, TABLES, ROWS, WIDTH = 13, 4, 50, 8
PAIRS = torch.tril_indices(TABLES + 1, TABLES + 1, -1)
DENSE_TEACHER = torch.randn(DENSE, generator=generator(-1))
ROW_TEACHER = torch.randn(ROWS, generator=generator(-2))


def mlp(sizes: list[int], broken: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, units in pairwise(sizes):
        linear = nn.Linear(inputs, units)
        nn.init.normal_(linear.weight, std=math.sqrt(2 / (units + inputs)))
        if broken:
            nn.init.normal_(linear.bias, std=math.sqrt(1 / units))
        else:
            nn.init.zeros_(linear.bias)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers)


class Dlrm(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.emb_l = nn.ModuleList(nn.Embedding(ROWS, WIDTH) for _ in range(TABLES))
        for table in self.emb_l:
            nn.init.uniform_(table.weight, -math.sqrt(1 / ROWS), math.sqrt(1 / ROWS))
        self.bot_l = mlp([DENSE, 32, WIDTH], broken)
        self.top_l = mlp([WIDTH + PAIRS.shape[1], 32, 16, 1], broken)
        if broken:  # one of the draws of N(0, 1) for which the report describes that nothing trains
            nn.init.constant_(self.top_l[-2].bias, -1.6)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        bottom = self.bot_l(dense)
        features = torch.stack([bottom, *(table(sparse[:, k]) for k, table in enumerate(self.emb_l))], 1)
        products = features @ features.transpose(1, 2)
        return self.top_l(torch.cat([bottom, products[:, PAIRS[0], PAIRS[1]]], 1)).squeeze(1)


def batch(i: int) -> Batch:
    g = generator(i)
    dense = torch.rand(256, DENSE, generator=g)
    sparse = torch.randint(0, ROWS, (256, TABLES), generator=g)
    clicked = ((dense - 0.5) @ DENSE_TEACHER * 2 + ROW_TEACHER[sparse[:, 0]] > 0).float()
    return (dense, sparse), lambda output: F.mse_loss(output, clicked)


CASE = Case(
    name="dlrm_dead_output",
    source="facebookresearch/dlrm#358",
    fault="The bias of the last layer is so negative that the ReLU after it is zero for every input.",
    build=Dlrm,
    batch=batch,
    rules=("IH204", "IH304"),
    layers=("top_l.4",),
    optimizer="sgd",
    rates=(0.1, 0.01),
    steps=300,
    known=True,
)

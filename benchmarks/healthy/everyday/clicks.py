"""Healthy networks for click logs: dense features and several categorical fields."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...nets import Case, Net
from . import draws

FIELDS = (100, 50, 20, 7)  # number of categories per field
DENSE = 8


def clicks(count: int = 128) -> tuple[Tensor, Tensor, Tensor]:
    """Return dense features, categories, and whether there was a click."""
    dense, fields = torch.randn(count, DENSE, generator=draws.fresh()), draws.categories(count, FIELDS)
    effects = [torch.randn(size, generator=draws.fixed(size)) for size in FIELDS]
    logit = 2 * draws.scores(dense, 1).squeeze(1) + sum(e[f] for e, f in zip(effects, fields.T, strict=True))
    return dense, fields, (logit > 0).float()


class WideAndDeep(nn.Module):
    """A linear model of the categories with zero initial weights, beside an MLP on their embeddings."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.wide = nn.ModuleList(nn.Embedding(size, 1) for size in FIELDS)
        for table in self.wide:
            nn.init.zeros_(table.weight)
        self.embeddings = nn.ModuleList(nn.Embedding(size, width) for size in FIELDS)
        self.deep = nn.Sequential(
            nn.Linear(len(FIELDS) * width + DENSE, 128), nn.ReLU(inplace=True), nn.Dropout(0.2),
            nn.Linear(128, 64), nn.ReLU(inplace=True), nn.Linear(64, 1),
        )  # fmt: skip

    def forward(self, dense: Tensor, fields: Tensor) -> Tensor:
        found = [table(field) for table, field in zip(self.embeddings, fields.T, strict=True)]
        wide = sum(table(field) for table, field in zip(self.wide, fields.T, strict=True))
        return (wide + self.deep(torch.cat([*found, dense], 1))).squeeze(1)


class DLRM(nn.Module):
    """Dot products between the embeddings and the dense features' MLP, initialized like the reference code."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.EmbeddingBag(size, width, mode="sum") for size in FIELDS)
        for table in self.tables:
            nn.init.uniform_(table.weight, -((1 / table.num_embeddings) ** 0.5), (1 / table.num_embeddings) ** 0.5)
        count = len(FIELDS) + 1
        self.bottom = self.mlp([DENSE, 64, 32, width], last=nn.ReLU())
        self.top = self.mlp([width + count * (count - 1) // 2, 64, 32, 1], last=nn.Sigmoid())
        self.register_buffer("pairs", torch.tril_indices(count, count, -1))

    @staticmethod
    def mlp(sizes: list[int], last: nn.Module) -> nn.Sequential:
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes):
            linear = nn.Linear(inputs, outputs)
            nn.init.normal_(linear.weight, std=(2 / (inputs + outputs)) ** 0.5)
            nn.init.normal_(linear.bias, std=(1 / outputs) ** 0.5)
            layers += [linear, nn.ReLU()]
        return nn.Sequential(*layers[:-1], last)

    def forward(self, dense: Tensor, fields: Tensor) -> Tensor:
        bottom = self.bottom(dense)
        rows = torch.stack([bottom] + [t(f[:, None]) for t, f in zip(self.tables, fields.T, strict=True)], 1)
        dots = torch.bmm(rows, rows.transpose(1, 2))[:, self.pairs[0], self.pairs[1]]
        return self.top(torch.cat([bottom, dots], 1)).squeeze(1)


class FactorizationMachine(nn.Module):
    """All fields in one table, pairwise products by the square of the sum; Xavier initialization, as usual."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.table, self.linear = nn.Embedding(sum(FIELDS), width), nn.Embedding(sum(FIELDS), 1)
        nn.init.xavier_uniform_(self.table.weight)
        self.bias = nn.Parameter(torch.zeros(1))
        self.register_buffer("offsets", torch.tensor([0, *FIELDS[:-1]]).cumsum(0))

    def forward(self, fields: Tensor) -> Tensor:
        index = fields + self.offsets
        rows = self.table(index)
        second = (rows.sum(1) ** 2 - (rows**2).sum(1)).sum(1) / 2
        return second + self.linear(index).sum((1, 2)) + self.bias


def wide_and_deep() -> Case:
    dense, fields, clicked = clicks()
    batch = {"dense": dense, "fields": fields}
    return Case(WideAndDeep(), batch, lambda logit: F.binary_cross_entropy_with_logits(logit, clicked))


def dlrm() -> Case:
    dense, fields, clicked = clicks()
    return Case(DLRM(), (dense, fields), lambda probability: F.binary_cross_entropy(probability, clicked))


def factorization_machine() -> Case:
    _, fields, clicked = clicks()
    return Case(FactorizationMachine(), fields, lambda logit: F.binary_cross_entropy_with_logits(logit, clicked))


NETS: tuple[Net, ...] = (
    Net("everyday/wide_and_deep", "wide and deep", wide_and_deep),
    Net("everyday/dlrm", "DLRM", dlrm),
    Net("everyday/factorization_machine", "factorization machine", factorization_machine),
)

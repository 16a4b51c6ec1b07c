"""Healthy recommenders: they look up users and items, and score pairs of them."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...nets import Case, Net
from . import draws

USERS, ITEMS = 100, 50


def suits(users: Tensor, items: Tensor) -> Tensor:
    """Return the match of users and items, from fixed tables of low rank."""
    tastes, traits = (torch.randn(size, 3, generator=draws.fixed(size)) for size in (USERS, ITEMS))
    appeal = torch.randn(ITEMS, generator=draws.fixed(5))
    return (tastes[users] * traits[items]).sum(-1) / 2 + appeal[items]


def pairs(count: int = 128) -> tuple[Tensor, Tensor]:
    generator = draws.fresh()
    users, items = (torch.randint(size, (count,), generator=generator) for size in (USERS, ITEMS))
    return users, items


class MatrixFactorization(nn.Module):
    """Biased factors that start small, mapped to the range of the ratings."""

    def __init__(self, factors: int = 32) -> None:
        super().__init__()
        self.users, self.items = nn.Embedding(USERS, factors), nn.Embedding(ITEMS, factors)
        self.user_bias, self.item_bias = nn.Embedding(USERS, 1), nn.Embedding(ITEMS, 1)
        for table in (self.users, self.items, self.user_bias, self.item_bias):
            nn.init.trunc_normal_(table.weight, std=0.01)

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        dot = (self.users(users) * self.items(items)).sum(1)
        return 5.5 * torch.sigmoid(dot + self.user_bias(users).squeeze(1) + self.item_bias(items).squeeze(1))


class Ranking(nn.Module):
    """Scores of a chosen item and of another one, for a ranking loss (BPR)."""

    def __init__(self, factors: int = 64) -> None:
        super().__init__()
        self.table = nn.ParameterDict(
            {"user": 0.1 * torch.randn(USERS, factors), "item": 0.1 * torch.randn(ITEMS, factors)}
        )

    def forward(self, users: Tensor, chosen: Tensor, passed: Tensor) -> Tensor:
        return torch.einsum(
            "uf,uif->ui", self.table["user"][users], self.table["item"][torch.stack([chosen, passed], 1)]
        )


class NeuralCollaborativeFilter(nn.Module):
    """A product of factors beside an MLP, followed by one layer (NeuMF), initialized as published."""

    def __init__(self, factors: int = 16, layers: int = 3) -> None:
        super().__init__()
        wide = factors * 2 ** (layers - 1)
        self.product_users, self.product_items = nn.Embedding(USERS, factors), nn.Embedding(ITEMS, factors)
        self.users, self.items = nn.Embedding(USERS, wide), nn.Embedding(ITEMS, wide)
        sizes = [2 * wide // 2**i for i in range(layers + 1)]
        self.mlp = nn.Sequential()
        for inputs, outputs in pairwise(sizes):
            self.mlp.extend([nn.Dropout(0.1), nn.Linear(inputs, outputs), nn.ReLU()])
        self.predict = nn.Linear(2 * factors, 1)
        for module in self.modules():
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.01)
            elif isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                module.bias.data.zero_()
        nn.init.kaiming_uniform_(self.predict.weight, a=1, nonlinearity="sigmoid")

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        product = self.product_users(users) * self.product_items(items)
        hidden = self.mlp(torch.cat((self.users(users), self.items(items)), -1))
        return self.predict(torch.cat((product, hidden), -1)).view(-1)


class TwoTower(nn.Module):
    """An embedding and an MLP per tower; cosines of all users with all items of the batch over a temperature."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.towers = nn.ModuleDict({"user": self.tower(USERS, width), "item": self.tower(ITEMS, width)})

    @staticmethod
    def tower(size: int, width: int) -> nn.Sequential:
        return nn.Sequential(nn.Embedding(size, 64), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, width))

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        left, right = F.normalize(self.towers["user"](users)), F.normalize(self.towers["item"](items))
        return left @ right.T / 0.1


def matrix_factorization() -> Case:
    users, items = pairs()
    return draws.regressing(MatrixFactorization(), (users, items), (3.2 + suits(users, items)).clamp(1, 5))


def ranking() -> Case:
    users, left = pairs()
    right = left.roll(1)
    better = suits(users, left) > suits(users, right)
    chosen, passed = torch.where(better, left, right), torch.where(better, right, left)
    return Case(Ranking(), (users, chosen, passed), lambda score: F.softplus(score[:, 1] - score[:, 0]).mean())


def neural_collaborative_filter() -> Case:
    users, items = pairs()
    liked = (suits(users, items) > 0).float()
    loss = nn.BCEWithLogitsLoss()
    return Case(NeuralCollaborativeFilter(), (users, items), lambda logit: loss(logit, liked))


def two_tower() -> Case:
    """Each user is paired with the item that matches best, up to noise."""
    users, _ = pairs(64)
    fit = suits(users[:, None], torch.arange(ITEMS)[None])
    items = (fit + torch.randn(fit.shape, generator=draws.fresh())).argmax(1)
    return Case(TwoTower(), (users, items), lambda logits: F.cross_entropy(logits, torch.arange(len(logits))))


NETS: tuple[Net, ...] = (
    Net("everyday/matrix_factorization", "matrix factorization", matrix_factorization),
    Net("everyday/bpr", "matrix factorization", ranking),
    Net("everyday/neural_collaborative_filter", "neural collaborative filter", neural_collaborative_filter),
    Net("everyday/two_tower", "two tower", two_tower),
)

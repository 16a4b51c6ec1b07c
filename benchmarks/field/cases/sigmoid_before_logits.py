"""yudi-mars/daisyRec#15: a sigmoid in front of `BCEWithLogitsLoss`."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

USERS, ITEMS, FACTORS = 100, 80, 16
TASTES, TRAITS = torch.randn(USERS, 3, generator=generator(-1)), torch.randn(ITEMS, 3, generator=generator(-2))


class NeuMF(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.user_gmf, self.item_gmf = nn.Embedding(USERS, FACTORS), nn.Embedding(ITEMS, FACTORS)
        self.user_mlp, self.item_mlp = nn.Embedding(USERS, FACTORS), nn.Embedding(ITEMS, FACTORS)
        self.mlp = nn.Sequential(nn.Linear(2 * FACTORS, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU())
        self.predict = nn.Linear(FACTORS + 16, 1)
        self.broken = broken
        for module in self.modules():
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.01)

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        product = self.user_gmf(users) * self.item_gmf(items)
        hidden = self.mlp(torch.cat([self.user_mlp(users), self.item_mlp(items)], 1))
        score = self.predict(torch.cat([product, hidden], 1)).squeeze(1)
        return score.sigmoid() if self.broken else score


def batch(i: int) -> Batch:
    """Pairs of user and item; a fifth of all pairs is never trained on."""
    g = generator(i)
    users = torch.randint(0, USERS, (256,), generator=g)
    items = torch.randint(0, ITEMS, (256,), generator=g)
    held_out = (users + items) % 5 == 0
    items = torch.where(held_out == (i >= 90_000), items, (items + 1) % ITEMS)
    likes = ((TASTES[users] * TRAITS[items]).sum(1) > 2.0).float()
    return (users, items), lambda output: F.binary_cross_entropy_with_logits(output, likes)


CASE = Case(
    name="sigmoid_before_logits",
    source="yudi-mars/daisyRec#15",
    fault="The scores pass a sigmoid and a loss that applies it again, so no score is below one half.",
    build=NeuMF,
    batch=batch,
    rules=("IH208",),
    layers=("predict",),
    optimizer="adam",
    rates=(1e-2, 3e-3),
    steps=400,
)

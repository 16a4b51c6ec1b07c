"""yihong-chen/neural-collaborative-filtering#23: weights keep PyTorch's default, not the paper's N(0, 0.01)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

USERS, ITEMS, WIDTH = 200, 150, 32
TASTES = torch.randn(USERS, 3, generator=generator(-1))
TRAITS = torch.randn(ITEMS, 3, generator=generator(-2))


class NeuMF(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.embedding_user_mf, self.embedding_item_mf = nn.Embedding(USERS, WIDTH), nn.Embedding(ITEMS, WIDTH)
        self.embedding_user_mlp, self.embedding_item_mlp = nn.Embedding(USERS, WIDTH), nn.Embedding(ITEMS, WIDTH)
        self.mlp = nn.Sequential(nn.Linear(2 * WIDTH, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU())
        self.affine_output = nn.Linear(WIDTH + 16, 1)
        if not broken:
            for module in self.modules():
                if isinstance(module, nn.Embedding | nn.Linear):
                    nn.init.normal_(module.weight, 0.0, 0.01)

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        product = self.embedding_user_mf(users) * self.embedding_item_mf(items)
        deep = self.mlp(torch.cat([self.embedding_user_mlp(users), self.embedding_item_mlp(items)], 1))
        return self.affine_output(torch.cat([product, deep], 1)).squeeze(1)


def batch(i: int) -> Batch:
    """A fifth of the pairs is held out: training never sees them, and the final loss covers only them."""
    g = generator(i)
    users = torch.randint(0, USERS, (256,), generator=g)
    items = torch.randint(0, ITEMS, (256,), generator=g)
    held_out = (users + items) % 5 == 0
    items = torch.where(held_out != (i >= 90_000), (items + 1) % ITEMS, items)
    liked = ((TASTES[users] * TRAITS[items]).sum(1) > 0).float()
    return (users, items), lambda output: F.binary_cross_entropy_with_logits(output, liked)


CASE = Case(
    name="ncf_embedding",
    source="yihong-chen/neural-collaborative-filtering#23",
    fault="The embeddings of a recommender start at N(0, 1), 100 times larger than in the paper.",
    build=NeuMF,
    batch=batch,
    rules=("IH106", "IH208"),
    layers=("embedding_user_mf", "embedding_item_mf", "embedding_user_mlp", "embedding_item_mlp"),
    optimizer="adam",
    rates=(1e-2, 3e-3),
    steps=600,
    known=True,
)

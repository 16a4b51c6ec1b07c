"""Coder-Yu/SELFRec#70: LightGCN does badly with embeddings from N(0, 0.01), and well with its own N(0, 0.1)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

USERS, ITEMS, WIDTH, LAYERS = 80, 60, 16, 3
TASTES, TRAITS = torch.randn(USERS, 3, generator=generator(-1)), torch.randn(ITEMS, 3, generator=generator(-2))
LIKES = TASTES @ TRAITS.T > 1.0
HIDDEN = torch.rand(USERS, ITEMS, generator=generator(-3)) < 0.2  # pairs that training does not see
LINKS = (LIKES & ~HIDDEN).float()
GRAPH = LINKS / (LINKS.sum(1, keepdim=True).clamp(min=1) * LINKS.sum(0, keepdim=True).clamp(min=1)).sqrt()


class LightGcn(nn.Module):
    graph: Tensor

    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.user, self.item = nn.Embedding(USERS, WIDTH), nn.Embedding(ITEMS, WIDTH)
        self.register_buffer("graph", GRAPH.clone())
        for embedding in (self.user, self.item):
            nn.init.normal_(embedding.weight, std=0.01 if broken else 0.1)

    def forward(self, users: Tensor, liked: Tensor, other: Tensor) -> Tensor:
        """By how much the liked item scores higher than the other."""
        user, item = self.user.weight, self.item.weight
        user_sum, item_sum = user, item
        for _ in range(LAYERS):
            user, item = self.graph @ item, self.graph.T @ user
            user_sum, item_sum = user_sum + user, item_sum + item
        user, item = user_sum / (LAYERS + 1), item_sum / (LAYERS + 1)
        return (user[users] * (item[liked] - item[other])).sum(1)


def batch(i: int) -> Batch:
    """Users with an item that they like and one that they do not; held-out batches have unseen liked items."""
    g = generator(i)
    seen = LIKES & (HIDDEN if i >= 90_000 else ~HIDDEN)
    pairs = seen.nonzero()
    users, liked = pairs[torch.randint(0, len(pairs), (512,), generator=g)].unbind(1)
    disliked = torch.rand(512, ITEMS, generator=g) * ~LIKES[users]
    return (users, liked, disliked.argmax(1)), lambda output: F.softplus(-output).mean()


CASE = Case(
    name="lightgcn_small_embedding",
    source="Coder-Yu/SELFRec#70",
    fault="The embeddings of users and items have std 0.01 instead of 0.1, so all scores and gradients start tiny.",
    build=LightGcn,
    batch=batch,
    rules=("IH106", "IH201", "IH301"),
    layers=("user", "item"),
    optimizer="adam",
    rates=(1e-2, 3e-3),
    steps=250,
    fresh=True,
)

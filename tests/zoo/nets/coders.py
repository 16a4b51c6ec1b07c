"""Common encoding networks: autoencoders, siamese, sets, graphs, mixtures, lookups."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..batches import CLASSES, FEATURES

PIXELS = 3 * 16 * 16


class Autoencoder(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(
            nn.Linear(PIXELS, 128), nn.ReLU(), nn.Linear(128, 16), nn.Linear(16, 128), nn.ReLU(), nn.Linear(128, PIXELS)
        )


class VAE(nn.Module):
    """Output: reconstruction, mean and log variance of the code."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(PIXELS, 128)
        self.mean = nn.Linear(128, 16)
        self.log_variance = nn.Linear(128, 16)
        self.decoder = nn.Sequential(nn.Linear(16, 128), nn.ReLU(), nn.Linear(128, PIXELS))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hidden = F.relu(self.encoder(x))
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        code = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        return self.decoder(code), mean, log_variance


class Siamese(nn.Module):
    """Distances ``(samples,)`` between pairs with the same encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(FEATURES, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 16)
        )

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return F.pairwise_distance(self.encoder(left), self.encoder(right))


class DeepSets(nn.Module):
    """Classifies sets ``(samples, elements, features)``: the sum of encoded elements, decoded."""

    def __init__(self, features: int = 8) -> None:
        super().__init__()
        self.element = nn.Sequential(nn.Linear(features, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
        self.whole = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.whole(self.element(x).sum(1))
        return out


class GraphNet(nn.Module):
    """Message passing: the neighbors' mean by a matrix product with the normalized adjacency."""

    def __init__(self) -> None:
        super().__init__()
        pairs = ((FEATURES, 32), (32, 32), (32, CLASSES))
        self.own = nn.ModuleList(nn.Linear(*pair) for pair in pairs)
        self.neighbours = nn.ModuleList(nn.Linear(*pair, bias=False) for pair in pairs)

    def forward(self, nodes: Tensor, adjacency: Tensor) -> Tensor:
        for i, (own, neighbours) in enumerate(zip(self.own, self.neighbours, strict=True)):
            nodes = own(nodes) + adjacency @ neighbours(nodes)
            nodes = F.relu(nodes) if i < 2 else nodes
        return nodes


class Experts(nn.Module):
    """Each sample is routed to one expert; an expert without samples is not called."""

    def __init__(self, experts: int = 16) -> None:
        super().__init__()
        self.embed = nn.Linear(FEATURES, 32)
        self.norm = nn.LayerNorm(32)
        self.router = nn.Linear(32, experts)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 32)) for _ in range(experts)
        )
        self.head = nn.Linear(32, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        normed = self.norm(x)
        weight, choice = self.router(normed).softmax(-1).max(-1)
        mixed = torch.zeros_like(x)
        for i, expert in enumerate(self.experts):
            (chosen,) = (choice == i).nonzero(as_tuple=True)
            if len(chosen):
                mixed = mixed.index_add(0, chosen, expert(normed[chosen]) * weight[chosen, None])
        out: Tensor = self.head(x + mixed)
        return out


class Recommender(nn.Module):
    """Logits ``(samples,)`` for users and items with tags ``(samples, tags)``."""

    def __init__(self) -> None:
        super().__init__()
        self.users = nn.Embedding(200, 16)
        self.items = nn.Embedding(100, 16, sparse=True)
        self.tags = nn.EmbeddingBag(50, 16, mode="mean", padding_idx=0)
        for table in (self.users, self.items, self.tags):
            nn.init.normal_(table.weight, std=0.1)
        self.mlp = nn.Sequential(nn.Linear(48, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, users: Tensor, items: Tensor, tags: Tensor) -> Tensor:
        found = torch.cat([self.users(users), self.items(items), self.tags(tags)], 1)
        out: Tensor = self.mlp(found).squeeze(1)
        return out

"""Recommenders: feature crosses, attention over a history, graph propagation, an autoencoder."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from benchmarks.healthy.everyday_net import Drawn, everyday
from benchmarks.nets import Net

USERS, ITEMS, FIELDS = 80, 60, (40, 25, 15, 10, 5)


class CrossNetwork(nn.Module):
    """DCN-v2 (Wang et al. 2021): feature crosses, then an MLP; Glorot uniform, as in TensorFlow Recommenders."""

    def __init__(self, width: int = 16, crosses: int = 3) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(size, width) for size in FIELDS)
        inputs = width * len(FIELDS)
        self.crosses = nn.ModuleList(nn.Linear(inputs, inputs) for _ in range(crosses))
        self.deep = nn.Sequential(nn.Linear(inputs, 96), nn.ReLU(), nn.Linear(96, 48), nn.ReLU(), nn.Linear(48, 1))
        for table in self.tables:
            nn.init.uniform_(table.weight, -0.05, 0.05)
        for part in self.modules():
            if isinstance(part, nn.Linear):
                nn.init.xavier_uniform_(part.weight)
                nn.init.zeros_(part.bias)

    def forward(self, fields: Tensor) -> Tensor:
        first = torch.cat([table(chosen) for table, chosen in zip(self.tables, fields.T, strict=True)], 1)
        x = first
        for cross in self.crosses:
            x = first * cross(x) + x
        return self.deep(x).squeeze(1)


class DeepInterest(nn.Module):
    """Zhou et al. (2018): attention of a candidate item over a history; PyTorch's initialization."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.items = nn.Embedding(ITEMS, width, padding_idx=0)
        self.attention = nn.Sequential(nn.Linear(4 * width, 36), nn.PReLU(), nn.Linear(36, 1))
        self.mlp = nn.Sequential(
            nn.Linear(3 * width, 64), nn.BatchNorm1d(64), nn.PReLU(), nn.Linear(64, 32), nn.PReLU(), nn.Linear(32, 1)
        )

    def forward(self, history: Tensor, candidate: Tensor) -> Tensor:
        past, item = self.items(history), self.items(candidate)
        beside = item[:, None].expand_as(past)
        weights = self.attention(torch.cat([past, beside, past - beside, past * beside], -1))
        interest = (weights * (history > 0)[..., None] * past).sum(1)
        return self.mlp(torch.cat([interest, item, interest * item], 1)).squeeze(1)


class LightGCN(nn.Module):
    """He et al. (2020): embeddings N(0, 0.1), propagated between users and items, and averaged over the rounds."""

    def __init__(self, chosen: Tensor, width: int = 32, rounds: int = 3) -> None:
        super().__init__()
        self.rounds = rounds
        self.users, self.items = nn.Embedding(USERS, width), nn.Embedding(ITEMS, width)
        nn.init.normal_(self.users.weight, std=0.1)
        nn.init.normal_(self.items.weight, std=0.1)
        degrees = (chosen.sum(1, keepdim=True) * chosen.sum(0, keepdim=True)).clamp(min=1)
        self.register_buffer("graph", chosen / degrees.sqrt())

    def forward(self, users: Tensor, chosen: Tensor, passed: Tensor) -> Tensor:
        left, right = [self.users.weight], [self.items.weight]
        for _ in range(self.rounds):
            left, right = [*left, self.graph @ right[-1]], [*right, self.graph.T @ left[-1]]
        user, item = torch.stack(left).mean(0)[users], torch.stack(right).mean(0)
        return (user * (item[chosen] - item[passed])).sum(1)


class MultVAE(nn.Module):
    """Liang et al. (2018): a variational autoencoder of users' choices; Xavier normal, biases N(0, 0.001)."""

    def __init__(self, hidden: int = 64, code: int = 16) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.5)
        self.encoder = nn.Sequential(nn.Linear(ITEMS, hidden), nn.Tanh(), nn.Linear(hidden, 2 * code))
        self.decoder = nn.Sequential(nn.Linear(code, hidden), nn.Tanh(), nn.Linear(hidden, ITEMS))
        for part in self.modules():
            if isinstance(part, nn.Linear):
                nn.init.xavier_normal_(part.weight)
                nn.init.normal_(part.bias, std=0.001)

    def forward(self, chosen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, log_variance = self.encoder(self.drop(F.normalize(chosen))).chunk(2, 1)
        code = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        return self.decoder(code), mean, log_variance


def _choices(generator: Generator) -> Tensor:
    """Return the choices ``(USERS, ITEMS)``: about eight items per user, from preferences of low rank."""
    tastes, traits = torch.randn(USERS, 4, generator=generator), torch.randn(ITEMS, 4, generator=generator)
    score = tastes @ traits.T + torch.randn(USERS, ITEMS, generator=generator)
    return (score > score.quantile(0.87)).float()


def crossed(generator: Generator) -> Drawn:
    fields = torch.stack([torch.randint(size, (256,), generator=generator) for size in FIELDS], 1)
    appeal = [torch.randn(size, 3, generator=generator) for size in FIELDS]
    vectors = torch.stack([table[chosen] for table, chosen in zip(appeal, fields.T, strict=True)], 1)
    clicked = (vectors.sum(1).square() - vectors.square().sum(1)).sum(1) > 0
    return fields, lambda logits: F.binary_cross_entropy_with_logits(logits, clicked.float())


def interested(generator: Generator) -> Drawn:
    history = torch.randint(1, ITEMS, (96, 12), generator=generator)
    history[::3, 8:] = 0
    candidate = torch.randint(1, ITEMS, (96,), generator=generator)
    near = ((history - candidate[:, None]).abs() < 6) & (history > 0)
    liked = near.sum(1) > 1
    return (history, candidate), lambda logits: F.binary_cross_entropy_with_logits(logits, liked.float())


def ranked(generator: Generator) -> Drawn:
    """The edges of the graph of :class:`LightGCN`, which draws the choices from the same seed."""
    choices = _choices(generator)
    users, chosen = choices.nonzero().T
    passed = torch.multinomial((1 - choices)[users], 1, generator=generator).squeeze(1)
    return (users, chosen, passed), lambda margin: F.softplus(-margin).mean()


def chosen_at_once(generator: Generator) -> Drawn:
    choices = _choices(generator)

    def loss(output: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        logits, mean, log_variance = output
        divergence = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(1)
        return (-(logits.log_softmax(1) * choices).sum(1) + 0.2 * divergence).mean()

    return choices, loss


NETS: tuple[Net, ...] = (
    everyday("cross_network", "cross network", CrossNetwork, crossed),
    everyday("deep_interest", "deep interest", DeepInterest, interested),
    everyday("light_gcn", "LightGCN", lambda: LightGCN(_choices(Generator().manual_seed(31))), ranked),
    everyday("mult_vae", "autoencoder of choices", MultVAE, chosen_at_once),
)

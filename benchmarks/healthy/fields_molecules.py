"""Networks for many small graphs: molecules and bodies."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from .everyday_net import Drawn, everyday


def molecules(generator: Generator, count: int = 32, atoms: int = 10) -> dict[str, Tensor]:
    """Return random trees with extra bonds: atom kinds, bonds in both directions, bond kinds, each atom's molecule."""
    first, second = [], []
    for i in range(count):
        parent = (torch.rand(atoms - 1, generator=generator) * torch.arange(1, atoms)).long()
        extra = torch.randint(atoms, (2, 2), generator=generator)
        first.append(torch.cat([torch.arange(1, atoms), extra[0]]) + i * atoms)
        second.append(torch.cat([parent, (extra[0] + 1 + extra[1] % (atoms - 1)) % atoms]) + i * atoms)
    one, other = torch.cat(first), torch.cat(second)
    kinds = torch.randint(4, (len(one),), generator=generator)
    return {
        "atoms": torch.randint(6, (count * atoms,), generator=generator),
        "bonds": torch.stack([torch.cat([one, other]), torch.cat([other, one])]),
        "kinds": torch.cat([kinds, kinds]),
        "owner": torch.arange(count).repeat_interleave(atoms),
    }


class GIN(nn.Module):
    """Sums over neighbors, a learned epsilon that starts at zero, and a head on the sums of all depths."""

    def __init__(self, width: int = 48, depth: int = 4, classes: int = 3) -> None:
        super().__init__()
        self.eps = nn.Parameter(torch.zeros(depth))
        self.mlps, self.norms = nn.ModuleList(), nn.ModuleList(nn.BatchNorm1d(width) for _ in range(depth))
        for i in range(depth):
            linears = nn.Linear(width if i else 6, width), nn.Linear(width, width)
            self.mlps.append(nn.Sequential(linears[0], nn.BatchNorm1d(width), nn.ReLU(), linears[1]))
        self.heads = nn.ModuleList(nn.Linear(width if i else 6, classes) for i in range(depth + 1))

    def forward(self, atoms: Tensor, bonds: Tensor, kinds: Tensor, owner: Tensor) -> Tensor:
        h = F.one_hot(atoms, 6).float()
        graphs = int(owner.max()) + 1
        score = 0
        for i, head in enumerate(self.heads):
            pooled = h.new_zeros(graphs, h.shape[1]).index_add_(0, owner, h)
            score = score + F.dropout(head(pooled), 0.5, self.training)
            if i < len(self.mlps):
                near = torch.zeros_like(h).index_add(0, bonds[1], h[bonds[0]])
                h = F.relu(self.norms[i](self.mlps[i](near + (1 + self.eps[i]) * h)))
        return score


def bonded_pairs(batch: dict[str, Tensor]) -> Tensor:
    """Return the number of bonds between atoms of kinds 0 or 1 and kinds 2 or 3 in each molecule."""
    one, other = (batch["atoms"][end] for end in batch["bonds"])
    hits = ((one < 2) & (other > 1) & (other < 4)).float()
    return torch.zeros(int(batch["owner"].max()) + 1).index_add_(0, batch["owner"][batch["bonds"][0]], hits)


def motif(generator: Generator) -> Drawn:
    batch = molecules(generator)
    labels = torch.bucketize(bonded_pairs(batch), torch.tensor([1.5, 3.5]))
    return batch, lambda output: F.cross_entropy(output, labels)


class MessagePassing(nn.Module):
    """Edges and nodes are updated alternately by residual MLPs that end with a LayerNorm."""

    def __init__(self, width: int = 48, rounds: int = 5) -> None:
        super().__init__()
        self.node_in, self.edge_in = nn.Embedding(6, width), nn.Embedding(4, width)
        self.edge = nn.ModuleList(self.mlp(3 * width, width) for _ in range(rounds))
        self.node = nn.ModuleList(self.mlp(2 * width, width) for _ in range(rounds))
        self.readout = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1))

    @staticmethod
    def mlp(inputs: int, width: int) -> nn.Sequential:
        return nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.LayerNorm(width))

    def forward(self, atoms: Tensor, bonds: Tensor, kinds: Tensor, owner: Tensor) -> Tensor:
        h, e = self.node_in(atoms), self.edge_in(kinds)
        source, target = bonds
        for edge, node in zip(self.edge, self.node, strict=True):
            e = e + edge(torch.cat([h[source], h[target], e], -1))
            arrived = torch.zeros_like(h).index_add_(0, target, e)
            h = h + node(torch.cat([h, arrived], -1))
        return h.new_zeros(int(owner.max()) + 1, 1).index_add_(0, owner, self.readout(h)).squeeze(1)


def energy(generator: Generator) -> Drawn:
    batch = molecules(generator)
    target = (bonded_pairs(batch) - 2.6) / 1.6
    return batch, lambda output: F.mse_loss(output, target)


class EGNNLayer(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        act = nn.SiLU()
        self.edge_mlp = nn.Sequential(nn.Linear(2 * width + 1, width), act, nn.Linear(width, width), act)
        self.node_mlp = nn.Sequential(nn.Linear(2 * width, width), act, nn.Linear(width, width))
        last = nn.Linear(width, 1, bias=False)
        nn.init.xavier_uniform_(last.weight, gain=0.001)
        self.coord_mlp = nn.Sequential(nn.Linear(width, width), act, last)
        self.vel_mlp = nn.Sequential(nn.Linear(width, width), act, nn.Linear(width, 1))

    def forward(self, h: Tensor, x: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs are ``(samples, bodies, width)`` and twice ``(samples, bodies, 3)``; all bodies interact."""
        n = h.shape[1]
        apart = x[:, :, None] - x[:, None]
        square = apart.pow(2).sum(-1, keepdim=True)
        pairs = [h[:, :, None].expand(-1, -1, n, -1), h[:, None].expand(-1, n, -1, -1), square]
        others = 1 - torch.eye(n)[..., None]
        m = self.edge_mlp(torch.cat(pairs, -1)) * others
        x = x + (apart * self.coord_mlp(m) * others).sum(2) / (n - 1) + self.vel_mlp(h) * v
        return h + self.node_mlp(torch.cat([h, m.sum(2)], -1)), x


class EGNN(nn.Module):
    def __init__(self, width: int = 48, depth: int = 4) -> None:
        super().__init__()
        self.embedding = nn.Linear(2, width)
        self.layers = nn.ModuleList(EGNNLayer(width) for _ in range(depth))

    def forward(self, charge: Tensor, x: Tensor, v: Tensor) -> Tensor:
        h = self.embedding(torch.cat([charge, v.norm(dim=-1, keepdim=True)], -1))
        for layer in self.layers:
            h, x = layer(h, x, v)
        return x


def charged_bodies(generator: Generator) -> Drawn:
    """Positions of five charged bodies a short time later; forces decrease with the distance."""
    x, v = (torch.randn(64, 5, 3, generator=generator) for _ in range(2))
    charge = (torch.rand(64, 5, 1, generator=generator) < 0.5).float() * 2 - 1
    start, pushed = (x, v)
    for _ in range(10):
        apart = start[:, :, None] - start[:, None]
        force = apart / (apart.pow(2).sum(-1, keepdim=True) + 0.3) ** 1.5 * charge[:, :, None] * charge[:, None]
        pushed = pushed + 0.1 * force.sum(2)
        start = start + 0.1 * pushed
    target = start / math.sqrt(2)
    return (charge, x / math.sqrt(2), v), lambda output: F.mse_loss(output, target)


NETS = (
    everyday("gin", "graph isomorphism net", GIN, motif),
    everyday("message-passing", "message passing", MessagePassing, energy),
    everyday("egnn", "equivariant graph net", EGNN, charged_bodies),
)

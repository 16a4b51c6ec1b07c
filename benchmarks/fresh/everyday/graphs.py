"""Networks for molecules, graphs, and relations of several kinds."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from benchmarks.healthy.everyday_net import Drawn, everyday
from benchmarks.nets import Net

ATOMS, KINDS, RELATIONS = 12, 5, 4


def shifted_softplus(x: Tensor) -> Tensor:
    return F.softplus(x) - math.log(2)


class Interaction(nn.Module):
    """Convolution with a filter that depends on the distance of each pair of atoms."""

    def __init__(self, width: int, gaussians: int) -> None:
        super().__init__()
        self.filter1, self.filter2 = nn.Linear(gaussians, width), nn.Linear(width, width)
        self.before, self.after1 = nn.Linear(width, width, bias=False), nn.Linear(width, width)
        self.after2 = nn.Linear(width, width)

    def forward(self, x: Tensor, smeared: Tensor, near: Tensor) -> Tensor:
        weights = self.filter2(shifted_softplus(self.filter1(smeared))) * near[..., None]
        gathered = (self.before(x)[:, None] * weights).sum(2)
        return x + self.after2(shifted_softplus(self.after1(gathered)))


class SchNet(nn.Module):
    """Schütt et al. (2017): a molecule's energy; Xavier uniform and zero biases, as published."""

    def __init__(self, width: int = 48, gaussians: int = 20, rounds: int = 3, cutoff: float = 5.0) -> None:
        super().__init__()
        self.cutoff = cutoff
        self.atoms = nn.Embedding(KINDS, width)
        self.register_buffer("centers", torch.linspace(0, cutoff, gaussians))
        self.interactions = nn.ModuleList(Interaction(width, gaussians) for _ in range(rounds))
        self.out1, self.out2 = nn.Linear(width, width // 2), nn.Linear(width // 2, 1)
        for part in self.modules():
            if isinstance(part, nn.Linear):
                nn.init.xavier_uniform_(part.weight)
                if part.bias is not None:
                    nn.init.zeros_(part.bias)

    def forward(self, kinds: Tensor, places: Tensor) -> Tensor:
        apart = (places[:, :, None] - places[:, None] + 1e-9).norm(dim=-1)
        smeared = (-((apart[..., None] - self.centers) ** 2) * 10).exp()
        near = 0.5 * ((apart * math.pi / self.cutoff).cos() + 1) * (apart < self.cutoff)
        x = self.atoms(kinds)
        for interaction in self.interactions:
            x = interaction(x, smeared, near * (1 - torch.eye(kinds.shape[1])))
        return self.out2(shifted_softplus(self.out1(x))).sum((1, 2))


class GraphBlock(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.q, self.k, self.v, self.out = (nn.Linear(width, width) for _ in range(4))
        self.fc1, self.fc2 = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        y = self.norm1(x)
        q, k, v = (part(y).unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (self.q, self.k, self.v))
        x = x + self.out(F.scaled_dot_product_attention(q, k, v, attn_mask=bias).transpose(1, 2).flatten(2))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class GraphTransformer(nn.Module):
    """Ying et al. (2021): embedded degrees and graph distances as attention biases; N(0, 0.02 / sqrt(depth))."""

    def __init__(self, width: int = 64, heads: int = 4, depth: int = 4, farthest: int = 8) -> None:
        super().__init__()
        self.atoms, self.degrees = nn.Embedding(KINDS, width), nn.Embedding(ATOMS, width)
        self.apart, self.token = nn.Embedding(farthest + 1, heads), nn.Embedding(1, width)
        self.blocks = nn.ModuleList(GraphBlock(width, heads) for _ in range(depth))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 3)
        for part in self.modules():
            if isinstance(part, nn.Linear):
                nn.init.normal_(part.weight, std=0.02 / depth**0.5)
                nn.init.zeros_(part.bias)
            elif isinstance(part, nn.Embedding):
                nn.init.normal_(part.weight, std=0.02)

    def forward(self, kinds: Tensor, degrees: Tensor, apart: Tensor) -> Tensor:
        nodes = self.atoms(kinds) + self.degrees(degrees)
        x = torch.cat([self.token.weight.expand(len(nodes), 1, -1), nodes], 1)
        bias = F.pad(self.apart(apart).permute(0, 3, 1, 2), (1, 0, 1, 0))
        for block in self.blocks:
            x = block(x, bias)
        return self.head(self.norm(x[:, 0]))


class RelationalLayer(nn.Module):
    """Schlichtkrull et al. (2018): each relation's weights are a combination of a few bases; Glorot uniform."""

    def __init__(self, inputs: int, outputs: int, bases: int = 3) -> None:
        super().__init__()
        self.bases = nn.Parameter(torch.empty(bases, inputs, outputs))
        self.shares = nn.Parameter(torch.empty(RELATIONS, bases))
        self.root, self.bias = nn.Parameter(torch.empty(inputs, outputs)), nn.Parameter(torch.zeros(outputs))
        for weight in (self.bases, self.shares, self.root):
            bound = (6 / (weight.shape[-2] + weight.shape[-1])) ** 0.5
            nn.init.uniform_(weight, -bound, bound)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        weights = torch.einsum("rb,bio->rio", self.shares, self.bases)
        mean = edges / edges.sum(-1, keepdim=True).clamp(min=1)
        return x @ self.root + torch.einsum("rnm,mi,rio->no", mean, x, weights) + self.bias


class RelationalNet(nn.Module):
    """Classifies entities without features by their relations."""

    def __init__(self, entities: int = 60, width: int = 24, classes: int = 4) -> None:
        super().__init__()
        self.entities = nn.Parameter(torch.empty(entities, width))
        nn.init.xavier_uniform_(self.entities)
        self.first, self.second = RelationalLayer(width, width), RelationalLayer(width, classes)

    def forward(self, edges: Tensor) -> Tensor:
        return self.second(F.relu(self.first(self.entities, edges)), edges)


def molecules(generator: Generator) -> Drawn:
    kinds = torch.randint(KINDS, (16, ATOMS), generator=generator)
    places = 2.0 * torch.randn(16, ATOMS, 3, generator=generator)
    energy = (kinds.float().sum(1) - 2 * ATOMS) / 5 + torch.randn(16, generator=generator) / 3
    return (kinds, places), lambda made: F.l1_loss(made, energy)


def _joined(generator: Generator, count: int, size: int, share: float) -> Tensor:
    edges = (torch.rand(count, size, size, generator=generator) < share).triu(1)
    return edges | edges.transpose(1, 2)


def graphs(generator: Generator) -> Drawn:
    edges = _joined(generator, 32, ATOMS, 0.2)
    kinds, degrees = torch.randint(KINDS, (32, ATOMS), generator=generator), edges.sum(2)
    apart, reached = torch.full(edges.shape, 8), torch.eye(ATOMS).expand(32, -1, -1) > 0
    for distance in range(8):
        apart = torch.where(reached & (apart == 8), distance, apart)
        reached = reached | ((reached.float() @ edges.float()) > 0)
    labels = (degrees.sum(1) % 3).long()
    return (kinds, degrees.clamp(max=ATOMS - 1), apart), lambda logits: F.cross_entropy(logits, labels)


def relations(generator: Generator) -> Drawn:
    edges = (torch.rand(RELATIONS, 60, 60, generator=generator) < 0.05).float()
    labels = (edges[0].sum(1) + edges[1].sum(0)).long() % 4
    return edges, lambda logits: F.cross_entropy(logits, labels)


NETS: tuple[Net, ...] = (
    everyday("schnet", "continuous-filter convolution", SchNet, molecules),
    everyday("graph_transformer", "graph transformer", GraphTransformer, graphs),
    everyday("relational_net", "relational graph net", RelationalNet, relations),
)

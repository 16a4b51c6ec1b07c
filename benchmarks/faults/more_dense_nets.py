"""More hosts for vectors, coordinates, tables and graphs."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .more_tasks_sequences import DENSE, TABLES
from .tasks import CLASSES, FEATURES, graph
from .vector_nets import MLP, he


def selu_mlp() -> nn.Module:
    """LeCun initialization (Klambauer et al. 2017)."""
    model = MLP(FEATURES, CLASSES, 12, 48, nn.SELU)
    he(model, "linear")
    return model


class BatchNormMLP(nn.Module):
    """PyTorch's default initialization."""

    def __init__(self, width: int = 48, depth: int = 8) -> None:
        super().__init__()
        self.stem = nn.Linear(10, width)
        self.stem_norm = nn.BatchNorm1d(width)
        hidden = ((nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU()) for _ in range(depth - 1))
        self.body = nn.Sequential(*(part for parts in hidden for part in parts))
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(F.relu(self.stem_norm(self.stem(x)))))


class DLRM(nn.Module):
    """Naumov et al. (2019): embeddings and dense features, their pairwise inner products, an MLP, as published."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(size, width) for size in TABLES)
        vectors = len(TABLES) + 1
        self.bottom = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise((DENSE, 32, 32, width)))
        pairs = vectors * (vectors - 1) // 2
        self.top = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise((width + pairs, 64, 32)))
        self.head = nn.Linear(32, 1)
        self.register_buffer("pairs", torch.tril_indices(vectors, vectors, -1))
        for table in self.tables:
            nn.init.uniform_(table.weight, -(table.num_embeddings**-0.5), table.num_embeddings**-0.5)
        for layer in (*self.bottom, *self.top, self.head):
            nn.init.normal_(layer.weight, std=(2 / (layer.in_features + layer.out_features)) ** 0.5)
            nn.init.normal_(layer.bias, std=layer.out_features**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        dense, indices = x[:, :DENSE], x[:, DENSE:].long()
        for layer in self.bottom:
            dense = F.relu(layer(dense))
        vectors = torch.stack([dense, *(table(i) for table, i in zip(self.tables, indices.T, strict=True))], 1)
        products = (vectors @ vectors.transpose(1, 2))[:, self.pairs[0], self.pairs[1]]
        x = torch.cat([dense, products], 1)
        for layer in self.top:
            x = F.relu(layer(x))
        return self.head(x)


class Autoencoder(nn.Module):
    """Ten layers with GELU and a narrow middle layer; He initialization."""

    def __init__(self) -> None:
        super().__init__()
        widths = (64, 48, 32, 24, 16, 24, 32, 48, 64)
        self.stem = nn.Linear(64, 64)
        self.body = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.head = nn.Linear(64, 64)
        he(self)

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.stem(x))
        for i, layer in enumerate(self.body):
            x = layer(x) if i == 3 else F.gelu(layer(x))  # the code is linear
        return self.head(x)


class SwiGLU(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.gate, self.up = nn.Linear(width, 2 * width), nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class GatedMLP(nn.Module):
    """Residual gated blocks on tabular features; PyTorch's default initialization, as in Gorishniy et al. (2021)."""

    def __init__(self, width: int = 32, depth: int = 4) -> None:
        super().__init__()
        self.stem = nn.Linear(FEATURES, width)
        self.blocks = nn.Sequential(*(SwiGLU(width) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.norm(self.blocks(self.stem(x)))))


OMEGA = 30.0


class Siren(nn.Module):
    """Sitzmann et al. (2020): sines, with the published weight initialization and PyTorch's default biases."""

    def __init__(self, width: int = 48, depth: int = 4) -> None:
        super().__init__()
        self.stem = nn.Linear(2, width)
        self.body = nn.ModuleList(nn.Linear(width, width) for _ in range(depth - 1))
        self.head = nn.Linear(width, 1)
        nn.init.uniform_(self.stem.weight, -1 / 2, 1 / 2)
        bound = (6 / width) ** 0.5 / OMEGA
        for layer in (*self.body, self.head):
            nn.init.uniform_(layer.weight, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        for layer in (self.stem, *self.body):
            x = (OMEGA * layer(x)).sin()
        return self.head(x)


class GraphAttention(nn.Module):
    """Velickovic et al. (2018): learned attention over neighbors; Xavier initialization as published."""

    def __init__(self, inputs: int, heads: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, heads * width, bias=False)
        self.source, self.target = (nn.Parameter(torch.empty(1, heads, width)) for _ in range(2))
        self.bias = nn.Parameter(torch.zeros(heads * width))
        for weight in (self.linear.weight, self.source, self.target):
            nn.init.xavier_uniform_(weight)

    def forward(self, x: Tensor, apart: Tensor) -> Tensor:
        y = self.linear(x).unflatten(-1, self.source.shape[1:])  # (samples, nodes, heads, width)
        to, of = ((y * part).sum(-1).transpose(1, 2) for part in (self.target, self.source))
        scores = F.leaky_relu(to[..., :, None] + of[..., None, :], 0.2).masked_fill(apart, -math.inf)
        return (scores.softmax(-1) @ y.transpose(1, 2)).transpose(1, 2).flatten(2) + self.bias


class GAT(nn.Module):
    """Two layers, the second with a skip connection as in the paper's inductive network."""

    def __init__(self, heads: int = 4, width: int = 8) -> None:
        super().__init__()
        self.register_buffer("apart", graph() == 0)
        self.layers = nn.ModuleList(GraphAttention(i, heads, width) for i in (16, heads * width))
        self.fc = nn.Linear(heads * width, heads * width)
        self.head = nn.Linear(heads * width, 5)
        for part in (self.fc, self.head):
            nn.init.xavier_uniform_(part.weight)
            nn.init.zeros_(part.bias)

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.layers
        x = F.elu(first(x, self.apart))
        x = F.elu(x + second(x, self.apart))
        return self.head(F.elu(self.fc(x)))

"""Fresh hosts for tables, graphs and time series."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .tasks import FUTURE, MEASURED, PAST, ROLES, SHOPS, TRAITS, ring


class WideAndDeep(nn.Module):
    """Cheng et al. (2016): a linear model of crossed categories and an MLP on embeddings.

    TensorFlow's initialization: std width^-0.5 for embeddings, Glorot uniform for layers, zero for the linear model.
    """

    def __init__(self, width: int = 12) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(size, width) for size in SHOPS)
        self.wide = nn.Embedding(SHOPS[0] * SHOPS[1], 1)
        sizes = (MEASURED + width * len(SHOPS), 64, 48, 32)
        self.deep = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.head = nn.Linear(sizes[-1], 1)
        nn.init.zeros_(self.wide.weight)
        for table in self.tables:
            nn.init.trunc_normal_(table.weight, std=width**-0.5)
        for layer in (*self.deep, self.head):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        chosen = x[:, MEASURED:].long()
        crossed = self.wide(chosen[:, 0] * SHOPS[1] + chosen[:, 1])
        vectors = [table(index) for table, index in zip(self.tables, chosen.T, strict=True)]
        hidden = torch.cat([x[:, :MEASURED], *vectors], 1)
        for layer in self.deep:
            hidden = F.relu(layer(hidden))
        return self.head(hidden) + crossed


class GINLayer(nn.Module):
    """The sum over the neighbors and the scaled node itself, then an MLP of two layers with BatchNorm."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.eps = nn.Parameter(torch.zeros(1))
        self.fc1, self.norm, self.fc2 = nn.Linear(inputs, width), nn.BatchNorm1d(width), nn.Linear(width, width)

    def forward(self, x: Tensor, joined: Tensor) -> Tensor:
        y = self.fc1((1 + self.eps) * x + joined @ x)
        y = self.norm(y.flatten(0, 1)).view_as(y)
        return F.relu(self.fc2(F.relu(y)))


class GIN(nn.Module):
    """Xu et al. (2019); PyTorch's default initialization."""

    def __init__(self, width: int = 32, depth: int = 2) -> None:
        super().__init__()
        self.register_buffer("joined", ring())
        self.stem = nn.Linear(TRAITS, width)
        self.layers = nn.ModuleList(GINLayer(width, width) for _ in range(depth))
        self.head = nn.Linear(width, ROLES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for layer in self.layers:
            x = layer(x, self.joined)
        return self.head(x)


class NBeatsBlock(nn.Module):
    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.fcs = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise((PAST, *[width] * layers)))
        self.backcast, self.forecast = nn.Linear(width, PAST), nn.Linear(width, FUTURE)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        hidden = x
        for layer in self.fcs:
            hidden = F.relu(layer(hidden))
        return x - self.backcast(hidden), self.forecast(hidden)


class NBeats(nn.Module):
    """Oreshkin et al. (2020): generic blocks with backcast and forecast; PyTorch's default initialization."""

    def __init__(self, width: int = 48, blocks: int = 3, layers: int = 3) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(NBeatsBlock(width, layers) for _ in range(blocks))

    def forward(self, x: Tensor) -> Tensor:
        total = x.new_zeros(len(x), FUTURE)
        for block in self.blocks:
            x, forecast = block(x)
            total = total + forecast
        return total

"""Healthy networks for tables of numbers and categories."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...nets import Case, Net
from . import draws

SIZES = (20, 8, 5)  # number of categories per column
NUMBERS = 10


def table(count: int = 64, outputs: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """Return standardized numbers, categories and targets with about unit variance."""
    numbers, kinds = torch.randn(count, NUMBERS, generator=draws.fresh()), draws.categories(count, SIZES)
    effects = (torch.randn(size, outputs, generator=draws.fixed(size)) for size in SIZES)
    added = sum(effect[kind] for effect, kind in zip(effects, kinds.T, strict=True))
    return numbers, kinds, (draws.scores(numbers, outputs) + 0.5 * added) / 1.3


class TabularMLP(nn.Module):
    """Embeddings that start small, BatchNorm on the numbers and after each layer, as in fastai."""

    def __init__(self, outputs: int = 2) -> None:
        super().__init__()
        widths = [min(50, round(1.6 * size**0.56)) for size in SIZES]
        self.embeds = nn.ModuleList(nn.Embedding(*pair) for pair in zip(SIZES, widths, strict=True))
        for embed in self.embeds:
            nn.init.trunc_normal_(embed.weight, std=0.01)
        self.norm = nn.BatchNorm1d(NUMBERS)
        sizes, layers = [sum(widths) + NUMBERS, 200, 100], []
        for inputs, hidden in pairwise(sizes):
            layers += [nn.Linear(inputs, hidden, bias=False), nn.ReLU(inplace=True), nn.BatchNorm1d(hidden)]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))

    def forward(self, kinds: Tensor, numbers: Tensor) -> Tensor:
        found = [embed(kinds[:, i]) for i, embed in enumerate(self.embeds)]
        return self.layers(torch.cat([*found, self.norm(numbers)], 1))


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.out = (nn.Linear(width, width) for _ in range(4))
        for linear in (self.q, self.k):
            nn.init.xavier_uniform_(linear.weight)
        nn.init.xavier_uniform_(self.v.weight, gain=2**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (f(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for f in (self.q, self.k, self.v))
        return self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class FTBlock(nn.Module):
    def __init__(self, width: int, heads: int, first: bool) -> None:
        super().__init__()
        self.attention = Attention(width, heads)
        self.norm1 = nn.Identity() if first else nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.gated, self.back = nn.Linear(width, 2 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        value, gate = self.gated(self.norm2(x)).chunk(2, -1)
        return x + self.back(value * F.relu(gate))


class FTTransformer(nn.Module):
    """A token per column and a class token; tokens are uniform in one over the square root of the width."""

    def __init__(self, width: int = 64, blocks: int = 3, heads: int = 4) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(NUMBERS + 1, width))
        self.bias = nn.Parameter(torch.empty(NUMBERS + len(SIZES), width))
        self.kinds = nn.Embedding(sum(SIZES), width)
        self.register_buffer("offsets", torch.tensor([0, *SIZES[:-1]]).cumsum(0))
        for parameter in (self.weight, self.bias, self.kinds.weight):
            nn.init.uniform_(parameter, -(width**-0.5), width**-0.5)
        self.blocks = nn.Sequential(*(FTBlock(width, heads, first=i == 0) for i in range(blocks)))
        self.head = nn.Sequential(nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, 1))

    def forward(self, numbers: Tensor, kinds: Tensor) -> Tensor:
        one = torch.cat([numbers.new_ones(len(numbers), 1), numbers], 1)
        tokens = torch.cat([self.weight * one[..., None], self.kinds(kinds + self.offsets)], 1)
        bias = F.pad(self.bias, (0, 0, 1, 0))
        return self.head(self.blocks(tokens + bias)[:, 0])


class TabularResNet(nn.Module):
    """Pre-norm blocks with BatchNorm and a wide hidden layer, with PyTorch's defaults."""

    def __init__(self, width: int = 64, blocks: int = 4) -> None:
        super().__init__()
        self.first = nn.Linear(NUMBERS, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm1d(width), nn.Linear(width, 2 * width), nn.ReLU(), nn.Dropout(0.2),
                nn.Linear(2 * width, width), nn.Dropout(0.1),
            )
            for _ in range(blocks)
        )  # fmt: skip
        self.head = nn.Sequential(nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for block in self.blocks:
            x = x + block(x)
        return self.head(x)


def tabular_mlp() -> Case:
    numbers, kinds, target = table()
    return draws.classifying(TabularMLP(), (kinds, numbers), (target[:, 0] > 0).long())


def ft_transformer() -> Case:
    numbers, kinds, target = table()
    return draws.regressing(FTTransformer(), (numbers, kinds), target)


def tabular_resnet() -> Case:
    return draws.regressing(TabularResNet(), *draws.measured(features=NUMBERS))


NETS: tuple[Net, ...] = (
    Net("everyday/tabular_mlp", "tabular MLP", tabular_mlp),
    Net("everyday/ft_transformer", "FT-transformer", ft_transformer),
    Net("everyday/tabular_resnet", "tabular ResNet", tabular_resnet),
)

"""Functions of coordinates: a radiance field on a hash grid, and an image from products of sines."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from benchmarks.healthy.everyday_net import Drawn, everyday
from benchmarks.nets import Net

PRIMES = (1, 2_654_435_761, 805_459_861)


class HashGrid(nn.Module):
    """Müller et al. (2022): multi-resolution grids of features in hash tables, initialized to U(-0.0001, 0.0001)."""

    def __init__(self, levels: int = 8, size: int = 512, features: int = 2) -> None:
        super().__init__()
        self.sizes = [round(4 * 1.5**level) for level in range(levels)]
        self.tables = nn.ParameterList(torch.empty(size, features).uniform_(-1e-4, 1e-4) for _ in range(levels))

    def forward(self, points: Tensor) -> Tensor:
        """Interpolate the features at points with coordinates between 0 and 1."""
        found = []
        for size, table in zip(self.sizes, self.tables, strict=True):
            scaled = points * size
            corner = scaled.floor()
            near = scaled - corner
            total = torch.zeros(len(points), table.shape[1])
            for offset in torch.cartesian_prod(*[torch.tensor([0, 1])] * 3):
                key = (corner.long() + offset) * torch.tensor(PRIMES)
                index = (key[:, 0] ^ key[:, 1] ^ key[:, 2]) % len(table)
                share = torch.where(offset > 0, near, 1 - near).prod(1, keepdim=True)
                total = total + share * table[index]
            found.append(total)
        return torch.cat(found, 1)


class GridField(nn.Module):
    """A radiance field: a hash grid, and small MLPs without biases for density and color."""

    def __init__(self, width: int = 48, code: int = 16) -> None:
        super().__init__()
        self.grid = HashGrid()
        self.density = nn.Sequential(nn.Linear(16, width, bias=False), nn.ReLU(), nn.Linear(width, code, bias=False))
        self.color = nn.Sequential(
            nn.Linear(code + 9, width, bias=False), nn.ReLU(), nn.Linear(width, width, bias=False), nn.ReLU(),
            nn.Linear(width, 3, bias=False),
        )  # fmt: skip

    def forward(self, points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.density(self.grid(points))
        x, y, z = directions.unbind(1)
        harmonics = torch.stack([torch.ones_like(x), x, y, z, x * y, y * z, x * z, x * x - y * y, 3 * z * z - 1], 1)
        return self.color(torch.cat([hidden, harmonics], 1)).sigmoid(), hidden[:, 0].exp()


class FilterNet(nn.Module):
    """Fathony et al. (2021): products of sines and linear layers, no other activations; initialized as published."""

    def __init__(self, width: int = 64, depth: int = 3, scale: float = 32.0) -> None:
        super().__init__()
        self.filters = nn.ModuleList(nn.Linear(2, width) for _ in range(depth + 1))
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.head = nn.Linear(width, 3)
        for sine in self.filters:
            sine.weight.data *= scale / (depth + 1) ** 0.5
            nn.init.uniform_(sine.bias, -torch.pi, torch.pi)
        for layer in self.layers:
            nn.init.uniform_(layer.weight, -(width**-0.5), width**-0.5)

    def forward(self, places: Tensor) -> Tensor:
        x = self.filters[0](places).sin()
        for layer, sine in zip(self.layers, self.filters[1:], strict=True):
            x = layer(x) * sine(places).sin()
        return self.head(x)


def scene(generator: Generator) -> Drawn:
    """Colors and densities of a soft ball at random points."""
    points = torch.rand(512, 3, generator=generator)
    directions = F.normalize(torch.randn(512, 3, generator=generator))
    density = 4 * torch.sigmoid(20 * (0.35 - (points - 0.5).norm(dim=1)))
    color = 0.5 + 0.4 * (6.283 * points).sin()

    def loss(output: tuple[Tensor, Tensor]) -> Tensor:
        made, dense = output
        return F.mse_loss(made, color) + 0.1 * F.mse_loss(dense, density)

    return (points, directions), loss


def picture(generator: Generator) -> Drawn:
    places = 2 * torch.rand(512, 2, generator=generator) - 1
    colors = torch.stack([(7 * places[:, 0]).sin(), (5 * places.prod(1)).cos(), (9 * places[:, 1]).sin()], 1)
    return places, lambda made: F.mse_loss(made, colors)


NETS: tuple[Net, ...] = (
    everyday("grid_field", "hash grid", GridField, scene),
    everyday("filter_net", "multiplicative filters", FilterNet, picture),
)

"""ashawkey/torch-ngp#35: a feature grid of zeros in front of a ReLU density."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

SAMPLES, WIDTH, GEOMETRY = 24, 32, 7
CENTERS = 1.2 * torch.rand(4, 2, generator=generator(-1)) - 0.6
COLORS = torch.rand(4, 3, generator=generator(-2))


class Grid(nn.Module):
    def __init__(self, zero: bool) -> None:
        super().__init__()
        bound = 0.0 if zero else 1e-4
        self.tables = nn.ParameterList(torch.empty(1, 4, size, size).uniform_(-bound, bound) for size in (4, 8, 16, 32))

    def forward(self, points: Tensor) -> Tensor:
        at = points.view(1, -1, 1, 2)
        return torch.cat([F.grid_sample(table, at, align_corners=True)[0, :, :, 0].T for table in self.tables], 1)


class Field(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.encoder = Grid(zero=broken)
        self.sigma_net = nn.Sequential(
            nn.Linear(16, WIDTH, bias=False), nn.ReLU(), nn.Linear(WIDTH, 1 + GEOMETRY, bias=False)
        )
        self.color_net = nn.Sequential(
            nn.Linear(GEOMETRY + 2, WIDTH, bias=False), nn.ReLU(), nn.Linear(WIDTH, 3, bias=False), nn.Sigmoid()
        )
        self.broken = broken

    def forward(self, points: Tensor, directions: Tensor, step: float) -> Tensor:
        hidden = self.sigma_net(self.encoder(points)).view(*points.shape[:2], -1)
        density = F.relu(hidden[..., 0]) if self.broken else F.softplus(hidden[..., 0])
        seen = directions[:, None].expand(-1, points.shape[1], -1)
        return composite(density, self.color_net(torch.cat([hidden[..., 1:], seen], 2)), step)


def composite(density: Tensor, color: Tensor, step: float) -> Tensor:
    """The color of each ray over a black background."""
    passed = torch.exp(-step * density.cumsum(1))
    before = torch.cat([torch.ones_like(passed[:, :1]), passed[:, :-1]], 1)
    return ((before - passed)[..., None] * color).sum(1)


def batch(i: int) -> Batch:
    """Rays through four colored discs."""
    g = generator(i)
    directions = F.normalize(torch.randn(128, 2, generator=g), dim=1)
    aim = 1.4 * torch.rand(128, 2, generator=g) - 0.7
    along = torch.linspace(-0.9, 0.9, SAMPLES)
    points = (aim[:, None] + along[:, None] * directions[:, None]).clamp(-1, 1)
    near = torch.exp(-30 * (points[:, :, None] - CENTERS).square().sum(3))
    step = 1.8 / SAMPLES
    target = composite(12 * near.sum(2), near @ COLORS / near.sum(2, keepdim=True).clamp(min=1e-6), step)
    return (points, directions, step), lambda output: F.mse_loss(output, target)


CASE = Case(
    name="ngp_zero_grid",
    source="ashawkey/torch-ngp#35",
    fault="The feature grid starts at zero and the density is a ReLU, so no gradient reaches grid and density.",
    build=Field,
    batch=batch,
    rules=("IH103", "IH304"),
    layers=("encoder",),
    optimizer="adam",
    rates=(3e-2, 1e-2, 3e-3),
    steps=300,
)

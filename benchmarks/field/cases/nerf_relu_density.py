"""munshisanowarraihan/nerf-meta#3: an unlucky start makes the ReLU behind the density of a NeRF zero everywhere."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

SAMPLES, OCTAVES, WIDTH = 24, 4, 48
PROBE = 2 * torch.rand(4096, 3, generator=generator(-1)) - 1
CENTERS = torch.tensor([[-0.4, -0.3, 0.0], [0.4, 0.2, -0.3], [0.0, 0.5, 0.4]])
COLORS = torch.tensor([[0.9, 0.1, 0.1], [0.1, 0.8, 0.2], [0.1, 0.2, 0.9]])


class Nerf(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(3 + 6 * OCTAVES, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU())
        self.sigma, self.color = nn.Linear(WIDTH, 1), nn.Linear(WIDTH, 3)
        self.broken = broken
        with torch.no_grad():  # one of the starts for which the report describes blank images
            while self.sigma(self.hidden(encoded(PROBE))).max() > 0:
                for layer in (self.hidden[0], self.hidden[2], self.sigma):
                    layer.reset_parameters()

    def forward(self, origins: Tensor, directions: Tensor) -> Tensor:
        points = along(origins, directions)
        hidden = self.hidden(encoded(points))
        raw = self.sigma(hidden)[..., 0]
        density = F.relu(raw) if self.broken else F.softplus(raw)
        return rendered(density, self.color(hidden).sigmoid())


def encoded(points: Tensor) -> Tensor:
    phases = (points[..., None] * 2.0 ** torch.arange(OCTAVES)).flatten(-2)
    return torch.cat([points, phases.sin(), phases.cos()], -1)


def along(origins: Tensor, directions: Tensor) -> Tensor:
    depths = torch.linspace(0, 2, SAMPLES)
    return origins[:, None] + depths[:, None] * directions[:, None]


def rendered(density: Tensor, colors: Tensor) -> Tensor:
    """The colors of rays in front of a white background."""
    opacity = 1 - torch.exp(-density * 2 / SAMPLES)
    clear = torch.cumprod(torch.cat([torch.ones_like(opacity[:, :1]), 1 - opacity], 1), 1)
    weights = opacity * clear[:, :-1]
    return (weights[..., None] * colors).sum(1) + clear[:, -1:]


def batch(i: int) -> Batch:
    """Random rays through three soft spheres."""
    g = generator(i)
    origins = torch.cat([1.4 * torch.rand(256, 2, generator=g) - 0.7, -torch.ones(256, 1)], 1)
    tilt = 0.6 * torch.rand(256, 2, generator=g) - 0.3
    directions = torch.cat([tilt, torch.ones(256, 1)], 1)
    distances = (along(origins, directions)[:, :, None] - CENTERS).norm(dim=-1)
    inside = torch.sigmoid(30 * (0.35 - distances))
    colors = (inside @ COLORS) / (inside.sum(-1, keepdim=True) + 1e-3)
    target = rendered(20 * inside.sum(-1), colors)
    return (origins, directions), lambda output: F.mse_loss(output, target)


CASE = Case(
    name="nerf_relu_density",
    source="munshisanowarraihan/nerf-meta#3",
    fault="The density before its ReLU is negative at every point, so the field is empty and nothing has a gradient.",
    build=Nerf,
    batch=batch,
    rules=("IH204", "IH304", "IH406"),
    layers=("sigma",),
    optimizer="adam",
    rates=(5e-3, 1e-3),
    steps=250,
    fresh=True,
)

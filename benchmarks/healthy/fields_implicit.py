"""Networks that are functions of coordinates: solutions, images, scenes and shapes."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from .everyday_net import Drawn, everyday
from .pictures_draws import pictures


class Pinn(nn.Module):
    """Solves Burgers' equation: returns its residual, and the solution at known points."""

    def __init__(self, layers: tuple[int, ...] = (2, 40, 40, 40, 40, 40, 1), viscosity: float = 0.01 / math.pi) -> None:
        super().__init__()
        self.viscosity = viscosity
        self.linears = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(layers))
        for linear in self.linears:
            nn.init.xavier_normal_(linear.weight.data, gain=1.0)
            nn.init.zeros_(linear.bias.data)

    def solution(self, t: Tensor, x: Tensor) -> Tensor:
        a = torch.cat([t, x], dim=1)
        for linear in self.linears[:-1]:
            a = torch.tanh(linear(a))
        return self.linears[-1](a)

    def forward(self, t: Tensor, x: Tensor, t_known: Tensor, x_known: Tensor) -> tuple[Tensor, Tensor]:
        t, x = t.clone().requires_grad_(True), x.clone().requires_grad_(True)
        u = self.solution(t, x)
        ones = torch.ones_like(u)
        u_t, u_x = torch.autograd.grad(u, (t, x), ones, create_graph=True)
        u_xx = torch.autograd.grad(u_x, x, ones, create_graph=True)[0]
        return u_t + u * u_x - self.viscosity * u_xx, self.solution(t_known, x_known)


def burgers(generator: Generator) -> Drawn:
    t, x = torch.rand(256, 1, generator=generator), 2 * torch.rand(256, 1, generator=generator) - 1
    line = 2 * torch.rand(64, 1, generator=generator) - 1
    t_known = torch.cat([torch.zeros(64, 1), torch.rand(32, 1, generator=generator)])
    x_known = torch.cat([line, torch.ones(16, 1), -torch.ones(16, 1)])
    known = torch.cat([-torch.sin(math.pi * line), torch.zeros(32, 1)])
    return (t, x, t_known, x_known), lambda output: output[0].pow(2).mean() + F.mse_loss(output[1], known)


class SineLayer(nn.Module):
    def __init__(self, inputs: int, outputs: int, is_first: bool = False, omega_0: float = 30.0) -> None:
        super().__init__()
        self.omega_0 = omega_0
        self.linear = nn.Linear(inputs, outputs)
        bound = 1 / inputs if is_first else math.sqrt(6 / inputs) / omega_0
        with torch.no_grad():
            self.linear.weight.uniform_(-bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(self.omega_0 * self.linear(x))


def siren(width: int = 128, hidden: int = 3) -> nn.Module:
    final = nn.Linear(width, 1)
    with torch.no_grad():
        final.weight.uniform_(-math.sqrt(6 / width) / 30, math.sqrt(6 / width) / 30)
    return nn.Sequential(SineLayer(2, width, True), *(SineLayer(width, width) for _ in range(hidden)), final)


def one_picture(_: Generator) -> Drawn:
    """All pixels of one image, which is the batch of every step."""
    picture = pictures(Generator().manual_seed(3), 1, 32, 1)[0].view(-1, 1)
    picture = picture / picture.abs().max()
    line = torch.linspace(-1, 1, 32)
    grid = torch.cartesian_prod(line, line)
    return grid, lambda output: ((output - picture) ** 2).mean()


def fourier(x: Tensor, octaves: int) -> Tensor:
    angles = x[..., None, :] * 2.0 ** torch.arange(octaves)[:, None]
    return torch.cat([x, angles.sin().flatten(-2), angles.cos().flatten(-2)], -1)


class Nerf(nn.Module):
    """Colors of rays: eight layers, coordinates repeated after the fourth, density by softplus, color by direction."""

    def __init__(self, width: int = 96, depth: int = 8, skip: int = 4) -> None:
        super().__init__()
        place, direction = 3 + 3 * 2 * 10, 3 + 3 * 2 * 4
        sizes = [place] + [width + place if i == skip else width for i in range(1, depth)]
        self.pts_linears = nn.ModuleList(nn.Linear(size, width) for size in sizes)
        self.skip = skip
        self.alpha_linear, self.feature_linear = nn.Linear(width, 1), nn.Linear(width, width)
        self.views_linear = nn.Linear(width + direction, width // 2)
        self.rgb_linear = nn.Linear(width // 2, 3)

    def forward(self, origins: Tensor, directions: Tensor, depths: Tensor) -> Tensor:
        points = origins[:, None] + directions[:, None] * depths[..., None]
        encoded = fourier(points, 10)
        h = encoded
        for i, layer in enumerate(self.pts_linears):
            h = F.relu(layer(torch.cat([encoded, h], -1) if i == self.skip else h))
        sigma = F.softplus(self.alpha_linear(h)).squeeze(-1)
        seen = fourier(directions, 4)[:, None].expand(-1, h.shape[1], -1)
        h = F.relu(self.views_linear(torch.cat([self.feature_linear(h), seen], -1)))
        rgb = torch.sigmoid(self.rgb_linear(h))
        gaps = torch.diff(depths, append=depths[:, -1:] + 0.1)
        alpha = 1 - torch.exp(-sigma * gaps)
        passed = torch.cumprod(torch.cat([torch.ones_like(alpha[:, :1]), 1 - alpha + 1e-10], -1), -1)[:, :-1]
        return ((alpha * passed)[..., None] * rgb).sum(1)


def rays(generator: Generator) -> Drawn:
    """Rays from a circle of cameras to a ball colored by surface direction, on a black background."""
    angle = 2 * math.pi * torch.rand(64, generator=generator)
    origins = 4 * torch.stack([angle.cos(), angle.sin(), 0.3 * torch.ones(64)], 1)
    aims = 0.7 * torch.randn(64, 3, generator=generator)
    directions = F.normalize(aims - origins, dim=1)
    along = -(origins * directions).sum(1, keepdim=True)
    nearest = origins + along * directions
    inside = 1 - nearest.pow(2).sum(1, keepdim=True)
    surface = nearest - directions * inside.clamp(min=0).sqrt()
    colors = torch.where(inside > 0, 0.5 + 0.5 * surface, torch.zeros(64, 3))
    depths = 2 + 4 * (torch.arange(24) + torch.rand(64, 24, generator=generator)) / 24
    return (origins, directions, depths), lambda output: F.mse_loss(output, colors)


NETS = (
    everyday("pinn", "physics-informed net", Pinn, burgers),
    everyday("siren", "SIREN", siren, one_picture),
    everyday("nerf", "radiance field", Nerf, rays),
)

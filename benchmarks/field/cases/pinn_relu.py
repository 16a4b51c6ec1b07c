"""lululxvi/deepxde#80: a physics-informed network with ReLU, which has no second derivative for its equation."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

WIDTH = 24


class Pinn(nn.Module):
    """The solution u of u'' = f between walls where it is zero, for a strength of the source that is an input."""

    def __init__(self, broken: bool) -> None:
        super().__init__()
        activation = nn.ReLU if broken else nn.Tanh
        self.net = nn.Sequential(
            nn.Linear(2, WIDTH), activation(), nn.Linear(WIDTH, WIDTH), activation(), nn.Linear(WIDTH, 1)
        )
        for layer in self.net:
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, strength: Tensor) -> tuple[Tensor, Tensor]:
        """u'' at the points `x`, and u at both walls."""
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            u = self.net(torch.cat([x, strength], 1))
            (slope,) = torch.autograd.grad(u.sum(), x, create_graph=True)
            curvature = torch.zeros_like(x)
            if slope.requires_grad:
                (found,) = torch.autograd.grad(slope.sum(), x, create_graph=True, allow_unused=True)
                curvature = curvature if found is None else found
        walls = [self.net(torch.cat([torch.full_like(strength, end), strength], 1)) for end in (-1.0, 1.0)]
        return curvature, torch.cat(walls, 1)


def batch(i: int) -> Batch:
    g = generator(i)
    x, strength = 2 * torch.rand(128, 1, generator=g) - 1, 0.5 + torch.rand(128, 1, generator=g)
    source = -strength * (math.pi**2 * torch.sin(math.pi * x) + torch.cos(math.pi * x / 2))

    def loss(output: tuple[Tensor, Tensor]) -> Tensor:
        curvature, walls = output
        return ((curvature - source) ** 2).mean() + 10 * (walls**2).mean()

    return (x, strength), loss


CASE = Case(
    name="pinn_relu",
    source="lululxvi/deepxde#80",
    fault="The second derivative of a ReLU network is zero, so the residual of the equation has no gradient.",
    build=Pinn,
    batch=batch,
    rules=("IH304", "IH406"),
    layers=("net",),
    optimizer="adam",
    rates=(1e-2, 3e-3),
    steps=300,
    fresh=True,
)

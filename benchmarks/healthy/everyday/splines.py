"""Healthy networks with a learned function on every edge (KAN), from splines or Gaussians."""

from __future__ import annotations

from math import pi

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...nets import Case, Net
from . import draws


class SplineLayer(nn.Module):
    """A learned cubic B-spline on every edge in addition to SiLU (KAN, like the efficient implementation)."""

    def __init__(self, inputs: int, outputs: int, intervals: int = 5, order: int = 3) -> None:
        super().__init__()
        knots = torch.arange(-order, intervals + order + 1) * 2 / intervals - 1
        self.order = order
        self.register_buffer("knots", knots.expand(inputs, -1).contiguous())
        self.base = nn.Parameter(torch.empty(outputs, inputs))
        self.spline = nn.Parameter((torch.rand(outputs, inputs, intervals + order) - 0.5) * 0.1 / intervals)
        self.scale = nn.Parameter(torch.empty(outputs, inputs))
        nn.init.kaiming_uniform_(self.base, a=5**0.5)
        nn.init.kaiming_uniform_(self.scale, a=5**0.5)

    def bases(self, x: Tensor) -> Tensor:
        x, knots = x[..., None], self.knots
        bases = ((x >= knots[:, :-1]) & (x < knots[:, 1:])).to(x.dtype)
        for k in range(1, self.order + 1):
            left = (x - knots[:, : -(k + 1)]) / (knots[:, k:-1] - knots[:, : -(k + 1)])
            right = (knots[:, k + 1 :] - x) / (knots[:, k + 1 :] - knots[:, 1:-k])
            bases = left * bases[..., :-1] + right * bases[..., 1:]
        return bases

    def forward(self, x: Tensor) -> Tensor:
        spline = F.linear(self.bases(x).flatten(1), (self.spline * self.scale[..., None]).flatten(1))
        return F.linear(F.silu(x), self.base) + spline


class RadialKAN(nn.Module):
    """The fast variant: LayerNorm, Gaussians on a grid, and a linear layer with truncated normal weights."""

    def __init__(self, inputs: int, outputs: int, grids: int = 8) -> None:
        super().__init__()
        self.layernorm, self.base_linear = nn.LayerNorm(inputs), nn.Linear(inputs, outputs)
        self.grid = nn.Parameter(torch.linspace(-2, 2, grids), requires_grad=False)
        self.spline_linear = nn.Linear(inputs * grids, outputs, bias=False)
        nn.init.trunc_normal_(self.spline_linear.weight, mean=0, std=0.1)

    def forward(self, x: Tensor) -> Tensor:
        basis = torch.exp(-(((self.layernorm(x)[..., None] - self.grid) / (4 / 7)) ** 2))
        return self.spline_linear(basis.flatten(-2)) + self.base_linear(F.silu(x))


def spline_kan() -> Case:
    inputs = 2 * torch.rand(128, 4, generator=draws.fresh()) - 1
    target = torch.exp((pi * inputs[:, :1]).sin() + inputs[:, 1:2] ** 2) - 1.5 + inputs[:, 2:3] * inputs[:, 3:]
    return draws.regressing(nn.Sequential(SplineLayer(4, 32), SplineLayer(32, 1)), inputs, target)


def radial_kan() -> Case:
    return draws.classifying(nn.Sequential(RadialKAN(32, 64), RadialKAN(64, 8)), *draws.vectors())


NETS: tuple[Net, ...] = (
    Net("everyday/spline_kan", "KAN", spline_kan),
    Net("everyday/radial_kan", "KAN", radial_kan),
)

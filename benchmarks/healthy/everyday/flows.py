"""Healthy normalizing flows: couplings, rotations between them, and masked flows."""

from __future__ import annotations

from math import log, pi

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...nets import Case, Net
from .densities import DIMENSIONS, rings


def surprise(output: tuple[Tensor, Tensor]) -> Tensor:
    """Return the negative log likelihood from a flow's code and log determinant."""
    code, log_determinant = output
    return (0.5 * (code**2 + log(2 * pi)).sum(1) - log_determinant).mean()


class Coupling(nn.Module):
    """RealNVP's coupling: half of the input scales and shifts the other half; the last layer starts at zero."""

    def __init__(self, mask: Tensor, width: int = 64) -> None:
        super().__init__()
        self.register_buffer("mask", mask)
        self.net = nn.Sequential(
            nn.Linear(len(mask), width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 2 * len(mask))
        )
        nn.init.zeros_(self.net[-1].weight)
        nn.init.zeros_(self.net[-1].bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        scale, shift = self.net(x * self.mask).chunk(2, 1)
        scale = torch.tanh(scale) * (1 - self.mask)
        return x * scale.exp() + shift * (1 - self.mask), scale.sum(1)


class Rotation(nn.Module):
    """An unconstrained matrix between couplings with orthogonal initialization, like Glow's 1x1 convolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.orthogonal_(torch.empty(width, width)))
        self.log_scale, self.shift = nn.Parameter(torch.zeros(width)), nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        out = ((x + self.shift) * self.log_scale.exp()) @ self.weight
        return out, (self.log_scale.sum() + torch.linalg.slogdet(self.weight)[1]).expand(len(x))


class Flow(nn.Module):
    def __init__(self, steps: list[nn.Module]) -> None:
        super().__init__()
        self.steps = nn.ModuleList(steps)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        total = torch.zeros(len(x))
        for step in self.steps:
            x, log_determinant = step(x)
            total = total + log_determinant
        return x, total


class MaskedLinear(nn.Linear):
    def __init__(self, mask: Tensor) -> None:
        super().__init__(mask.shape[1], mask.shape[0])
        self.register_buffer("mask", mask.float())

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.mask, self.bias)


class Autoregressive(nn.Module):
    """MADE as a flow: the scale and shift of each dimension depend on the dimensions before it."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        order, hidden = torch.arange(DIMENSIONS), torch.arange(width) % (DIMENSIONS - 1)
        self.net = nn.Sequential(
            MaskedLinear(hidden[:, None] >= order), nn.ReLU(), MaskedLinear(hidden[:, None] >= hidden), nn.ReLU(),
            MaskedLinear((order[:, None] > hidden).repeat(2, 1)),
        )  # fmt: skip

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        shift, scale = self.net(x).chunk(2, 1)
        return ((x - shift) * (-scale).exp()).flip(1), -scale.sum(1)


def real_nvp() -> Case:
    mask = torch.arange(DIMENSIONS) % 2
    return Case(Flow([Coupling((mask + i) % 2) for i in range(6)]), rings(), surprise)


def glow() -> Case:
    mask = (torch.arange(DIMENSIONS) < DIMENSIONS // 2).long()
    steps = [step for _ in range(6) for step in (Rotation(DIMENSIONS), Coupling(mask))]
    return Case(Flow(steps), rings(), surprise)


def masked_flow() -> Case:
    return Case(Flow([Autoregressive() for _ in range(5)]), rings(), surprise)


NETS: tuple[Net, ...] = (
    Net("everyday/real_nvp", "coupling flow", real_nvp),
    Net("everyday/glow", "coupling flow", glow),
    Net("everyday/masked_flow", "masked flow", masked_flow),
)

"""vislearn/FrEIA#121: ActNorm takes its scale from the first batch, in which one channel is constant."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

CHANNELS = 6
MIXING = torch.randn(CHANNELS, CHANNELS, generator=generator(-1))


class ActNorm(nn.Module):
    def __init__(self, eps: float) -> None:
        super().__init__()
        self.scale, self.bias = nn.Parameter(torch.zeros(CHANNELS)), nn.Parameter(torch.zeros(CHANNELS))
        self.register_buffer("started", torch.tensor(False))
        self.eps = eps

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if not self.started:
            with torch.no_grad():
                self.scale.copy_(-(x.std(0) + self.eps).log())
                self.bias.copy_(-x.mean(0) * self.scale.exp())
                self.started.fill_(True)
        return x * self.scale.exp() + self.bias, self.scale.sum().expand(len(x))


class Coupling(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.subnet = nn.Sequential(nn.Linear(CHANNELS // 2, 32), nn.ReLU(), nn.Linear(32, CHANNELS))
        nn.init.zeros_(self.subnet[2].weight)
        nn.init.zeros_(self.subnet[2].bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        kept, changed = x.chunk(2, 1)
        scale, shift = self.subnet(kept).chunk(2, 1)
        scale = 2 * torch.tanh(scale / 2)
        return torch.cat([changed * scale.exp() + shift, kept], 1), scale.sum(1)


class Flow(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        eps = 0.0 if broken else 0.1
        self.steps = nn.ModuleList(module for _ in range(4) for module in (ActNorm(eps), Coupling()))

    def forward(self, x: Tensor) -> Tensor:
        """The negative log-likelihood, without its constant."""
        volume = torch.zeros(len(x))
        for step in self.steps:
            x, change = step(x)
            volume = volume + change
        return (0.5 * (x**2).sum(1) - volume).mean()


def batch(i: int) -> Batch:
    x = torch.randn(128, CHANNELS, generator=generator(i)) @ MIXING
    x[:, 3:] = x[:, 3:].abs()
    x[:, 2] = 0.7
    return (x,), lambda output: output


CASE = Case(
    name="actnorm_constant",
    source="vislearn/FrEIA#121",
    fault="A channel that is constant in the first batch has std 0, so ActNorm's scale becomes infinite.",
    build=Flow,
    batch=batch,
    rules=("IH101", "IH203"),
    layers=("steps.0",),
    optimizer="adam",
    rates=(3e-3, 1e-3),
    steps=300,
    known=True,
)

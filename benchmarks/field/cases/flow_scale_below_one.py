"""bayesiains/nflows#49: the scale of an affine coupling is a sigmoid, so the flow can hardly stretch its input."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

CHANNELS, STEPS = 4, 4
MIXING = torch.randn(2, 2, generator=generator(-1))


class Coupling(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        half = CHANNELS // 2
        self.subnet = nn.Sequential(nn.Linear(half, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU())
        self.parameters_of = nn.Linear(32, CHANNELS)
        self.broken = broken

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        kept, changed = x.chunk(2, 1)
        raw, shift = self.parameters_of(self.subnet(kept)).chunk(2, 1)
        scale = torch.sigmoid(raw + 2) + 1e-3 if self.broken else (F.softplus(raw) + 1e-3).clamp(0, 3)
        return torch.cat([changed * scale + shift, kept], 1), scale.log().sum(1)


class Flow(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.steps = nn.ModuleList(Coupling(broken) for _ in range(STEPS))

    def forward(self, x: Tensor) -> Tensor:
        """The negative log-likelihood, without its constant."""
        volume = torch.zeros(len(x))
        for step in self.steps:
            x, change = step(x)
            volume = volume + change
        return (0.5 * (x**2).sum(1) - volume).mean()


def batch(i: int) -> Batch:
    """Standardized features, two of which nearly follow from the other two."""
    g = generator(i)
    free, noise = torch.randn(2, 256, CHANNELS // 2, generator=g)
    bound = torch.sin(2 * free @ MIXING)
    x = torch.cat([free, (bound + 0.15 * noise) / 0.7], 1)
    return (x,), lambda output: output


CASE = Case(
    name="flow_scale_below_one",
    source="bayesiains/nflows#49",
    fault="Each coupling multiplies its input by at most 1.001, so the flow cannot stretch narrow densities.",
    build=Flow,
    batch=batch,
    rules=("IH201", "IH205", "IH208"),
    layers=tuple(f"steps.{step}" for step in range(STEPS)),
    optimizer="adam",
    rates=(3e-3, 1e-3),
    steps=300,
    fresh=True,
)

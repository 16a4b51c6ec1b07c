"""lucidrains/siren-pytorch#1: the first layer of a SIREN is initialized like the hidden ones."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

WIDTH, DEPTH, OMEGA = 64, 4, 30.0
FREQUENCIES = 30.0 * torch.randn(16, 2, generator=generator(-1)) / math.sqrt(2)
PHASES = 2 * math.pi * torch.rand(16, generator=generator(-2))


class Sine(nn.Module):
    def __init__(self, inputs: int, outputs: int, first: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        bound = 1 / inputs if first else math.sqrt(6 / inputs) / OMEGA
        nn.init.uniform_(self.linear.weight, -bound, bound)
        nn.init.uniform_(self.linear.bias, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(OMEGA * self.linear(x))


class Siren(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        widths = [2] + [WIDTH] * DEPTH
        self.layers = nn.Sequential(
            *(Sine(widths[i], widths[i + 1], first=i == 0 and not broken) for i in range(DEPTH))
        )
        self.last = nn.Linear(WIDTH, 1)
        bound = math.sqrt(6 / WIDTH) / OMEGA
        nn.init.uniform_(self.last.weight, -bound, bound)

    def forward(self, coordinates: Tensor) -> Tensor:
        return self.last(self.layers(coordinates)).squeeze(1)


def batch(i: int) -> Batch:
    """Random points of a fixed image with fine detail."""
    coordinates = 2 * torch.rand(512, 2, generator=generator(i)) - 1
    image = torch.sin(coordinates @ FREQUENCIES.T + PHASES).sum(1) / math.sqrt(8)
    return (coordinates,), lambda output: F.mse_loss(output, image)


CASE = Case(
    name="siren_first_layer",
    source="lucidrains/siren-pytorch#1",
    fault="The first sine layer has the bound sqrt(6 / fan_in) / 30 of the hidden layers, 9 times too small.",
    build=Siren,
    batch=batch,
    rules=("IH106",),
    layers=("layers.0",),
    optimizer="adam",
    rates=(3e-3, 1e-3, 3e-4),
    steps=400,
)

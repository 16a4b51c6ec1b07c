"""batzner/indrnn#9: with recurrent weights from U(-1, 1), an IndRNN does not solve the adding problem."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

STEPS, WIDTH = 50, 32


class IndRnn(nn.Module):
    """Each unit has one recurrent weight, for its own last output."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.input = nn.Linear(inputs, WIDTH)
        self.recurrent = nn.Parameter(torch.empty(WIDTH).uniform_(-1, 1))
        nn.init.xavier_uniform_(self.input.weight)
        nn.init.zeros_(self.input.bias)

    def forward(self, sequence: Tensor) -> Tensor:
        hidden, outputs = sequence.new_zeros(len(sequence), WIDTH), []
        for each in self.input(sequence).unbind(1):
            hidden = F.relu(each + self.recurrent * hidden)
            outputs.append(hidden)
        return torch.stack(outputs, 1)


class Adder(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.first, self.second, self.output = IndRnn(2), IndRnn(WIDTH), nn.Linear(WIDTH, 1)
        if not broken:
            nn.init.ones_(self.second.recurrent)

    def forward(self, sequence: Tensor) -> Tensor:
        return self.output(self.second(self.first(sequence))[:, -1])[:, 0]


def batch(i: int) -> Batch:
    """Random numbers, two of which are marked, one in each half: the target is their sum."""
    g = generator(i)
    numbers = torch.rand(50, STEPS, generator=g)
    first, second = torch.randint(0, STEPS // 2, (2, 50, 1), generator=g)
    marks = torch.zeros(50, STEPS).scatter(1, first, 1.0).scatter(1, STEPS // 2 + second, 1.0)
    target = (numbers * marks).sum(1)
    return (torch.stack([numbers, marks], 2),), lambda output: F.mse_loss(output, target)


CASE = Case(
    name="indrnn_recurrent_range",
    source="batzner/indrnn#9",
    fault="Few recurrent weights of the last layer are near 1, so little of the marked numbers reaches the last step.",
    build=Adder,
    batch=batch,
    rules=("IH106", "IH201", "IH301"),
    layers=("second.recurrent",),
    optimizer="adam",
    rates=(3e-3, 1e-3),
    steps=250,
    fresh=True,
)

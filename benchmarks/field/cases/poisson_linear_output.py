"""keras-team/keras#590: the rate of a Poisson loss is the output of a linear layer, which can be negative."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

PLACES, WIDTH, HOURS, COVARIATES = 20, 32, 12, 4
EFFECTS = torch.randn(COVARIATES, generator=generator(-1)) / 2
LEVELS = torch.randn(PLACES, generator=generator(-2)) / 2


class Counts(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.embedding = nn.Embedding(PLACES, WIDTH)
        self.lstm1, self.lstm2 = nn.LSTM(COVARIATES, WIDTH, batch_first=True), nn.LSTM(WIDTH, WIDTH, batch_first=True)
        self.left, self.right = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.dense = nn.Linear(WIDTH, 1)
        self.broken = broken

    def forward(self, places: Tensor, covariates: Tensor) -> Tensor:
        """The expected number of events."""
        hidden = self.lstm2(self.lstm1(covariates)[0])[0][:, -1]
        rate = self.dense(self.left(self.embedding(places)) + self.right(hidden))[:, 0]
        return rate if self.broken else F.softplus(rate)


def batch(i: int) -> Batch:
    g = generator(i)
    places = torch.randint(0, PLACES, (128,), generator=g)
    covariates = torch.randn(128, HOURS, COVARIATES, generator=g)
    rate = torch.exp(0.5 + LEVELS[places] + covariates[:, -4:].mean(1) @ EFFECTS)
    events = torch.poisson(rate, generator=g)
    return (places, covariates), lambda output: (output - events * (output + 1e-7).log()).mean()


CASE = Case(
    name="poisson_linear_output",
    source="keras-team/keras#590",
    fault="The Poisson loss takes the logarithm of a linear output, which is negative for many samples.",
    build=Counts,
    batch=batch,
    rules=("IH405", "IH203", "IH208"),
    layers=("dense",),
    optimizer="adam",
    rates=(3e-3, 1e-3),
    steps=300,
)

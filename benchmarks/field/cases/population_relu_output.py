"""jvargasmu/population_estimation#68: an unlucky start lets the ReLU behind the last layer predict only zeros."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

FEATURES, SIDE = 6, 8
EFFECTS = torch.randn(FEATURES, 4, generator=generator(-1))


class Population(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(FEATURES, 32, 1), nn.ReLU(), nn.Conv2d(32, 32, 1), nn.ReLU())
        self.occrate = nn.Conv2d(32, 1, 1)
        self.broken = broken
        if broken:
            self.draw_until_silent()

    def draw_until_silent(self) -> None:
        """Draws the last layer until all its outputs are negative: the start that the report is about."""
        with torch.no_grad():
            features = self.features(torch.rand(1, FEATURES, 300, 300))
            while (self.occrate(features) > 0).any():
                self.occrate.reset_parameters()

    def forward(self, features: Tensor, buildings: Tensor) -> Tensor:
        """The population of each region: people for each building, summed over its pixels."""
        people = self.occrate(self.features(features))
        people = F.relu(people) if self.broken else F.softplus(people)
        return (people[:, 0] * buildings).sum((1, 2))


def batch(i: int) -> Batch:
    g = generator(i)
    features = torch.rand(32, FEATURES, SIDE, SIDE, generator=g)
    buildings = torch.randint(0, 4, (32, SIDE, SIDE), generator=g).float()
    people = 0.5 * F.relu(torch.einsum("bfxy,fk->bkxy", features, EFFECTS)).sum(1)
    population = (people * buildings).sum((1, 2))
    return (features, buildings), lambda output: F.l1_loss(output.log1p(), population.log1p())


CASE = Case(
    name="population_relu_output",
    source="jvargasmu/population_estimation#68",
    fault="A ReLU follows the last layer; if its inputs are all negative at the start, no gradient passes.",
    build=Population,
    batch=batch,
    rules=("IH204", "IH304"),
    layers=("occrate",),
    optimizer="adam",
    rates=(3e-3, 1e-3),
    steps=250,
)

"""VinceShieh/spark-ffm#12: factors from U(0, 1/sqrt(k)) add up to huge logits, for which the loss overflows."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

FIELDS, VALUES, FACTORS = 39, 10, 4
FEATURES = FIELDS * VALUES
FIRST, SECOND = torch.triu_indices(FIELDS, FIELDS, 1)
EFFECTS = 0.5 * torch.randn(FEATURES, generator=generator(-1))
TRAITS = 0.3 * torch.randn(FEATURES, 3, generator=generator(-2))


class FieldAwareFactorizationMachine(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.factors = nn.Embedding(FEATURES, FIELDS * FACTORS)  # for each feature a vector for each other field
        self.linear, self.bias = nn.Embedding(FEATURES, 1), nn.Parameter(torch.zeros(1))
        nn.init.zeros_(self.linear.weight)
        if broken:
            nn.init.uniform_(self.factors.weight, 0, 1 / math.sqrt(FACTORS))
        else:
            # The products of all pairs then add up to a logit with a variance near 1.
            nn.init.normal_(self.factors.weight, std=(len(FIRST) * FACTORS) ** -0.25)

    def forward(self, features: Tensor) -> Tensor:
        vectors = self.factors(features).unflatten(2, (FIELDS, FACTORS))
        pairs = (vectors * vectors.transpose(1, 2)).sum(3)
        return pairs[:, FIRST, SECOND].sum(1) + self.linear(features).sum((1, 2)) + self.bias


def batch(i: int) -> Batch:
    g = generator(i)
    features = torch.randint(0, VALUES, (128, FIELDS), generator=g) + VALUES * torch.arange(FIELDS)
    sums = TRAITS[features].sum(1)
    pairs = 0.5 * (sums.square() - TRAITS[features].square().sum(1)).sum(1)
    sign = torch.where(EFFECTS[features].sum(1) + pairs > 0, 1.0, -1.0)
    return (features,), lambda output: torch.log(1 + torch.exp(-sign * output)).mean()  # as the library computes it


CASE = Case(
    name="ffm_positive_factors",
    source="VinceShieh/spark-ffm#12",
    fault="All factors are positive, so 741 products add up to logits near 185.",
    build=FieldAwareFactorizationMachine,
    batch=batch,
    rules=("IH106", "IH206", "IH208"),
    layers=("factors",),
    optimizer="adam",
    rates=(3e-2, 1e-2, 3e-3),
    steps=300,
)

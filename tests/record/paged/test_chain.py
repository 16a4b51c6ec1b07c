"""Weights that are filled element by element are made in independent pieces, in place."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from tests.record.paged.building import build, holding, made, recipe_of

LARGE = (1500, 1000)  # two pieces


def trunc_normal(self: Any) -> None:
    self.weight = nn.init.trunc_normal_(nn.Parameter(torch.empty(LARGE)), std=0.02)


def scaled(self: Any) -> None:
    self.weight = nn.Parameter(torch.empty(LARGE))
    self.weight.data.normal_().mul_(2).add_(1).clamp_(-3, 3)


def product(self: Any) -> None:
    self.weight = nn.Parameter(torch.randn(LARGE) * 0.02 + 1)


def cast(self: Any) -> None:
    self.weight = nn.Parameter(torch.randn(LARGE))
    self.bfloat16()


def padded(self: Any) -> None:
    self.weight = nn.Embedding(1500, 1000, padding_idx=1048).weight


def in_parts(self: Any) -> None:
    self.weight = nn.Parameter(torch.randn(LARGE))
    self.weight.data[:1100].mul_(3)
    self.weight.data[1100:].zero_().add_(1)


@pytest.mark.parametrize(
    ("fill", "scratch"), [(trunc_normal, 0), (scaled, 0), (product, 8), (cast, 6), (padded, 0), (in_parts, 0)]
)
def test_elementwise_chains_are_made_in_pieces(fill: Any, scratch: int) -> None:
    built = build(holding(fill))
    recipe = recipe_of(built, built.made.weight)
    assert recipe.pieces() == 2
    assert recipe.scratch == scratch * 2**20


def test_values_of_the_chains() -> None:
    assert made(holding(trunc_normal)).weight.std().item() == pytest.approx(0.02, rel=0.01)
    weight = made(holding(scaled)).weight.detach()
    assert (weight.min(), weight.max()) == (-3, 3)
    assert made(holding(product)).weight.mean().item() == pytest.approx(1, abs=1e-4)
    half = made(holding(cast)).weight
    assert half.dtype == torch.bfloat16
    assert half.float().std().item() == pytest.approx(1, abs=0.01)
    assert (made(holding(padded)).weight == 0).sum(dim=1).nonzero().flatten().tolist() == [1048]
    parts = made(holding(in_parts)).weight
    assert parts[:1100].std().item() == pytest.approx(3, abs=0.01)
    assert (parts[1100:] == 1).all()


@pytest.mark.parametrize(
    "fill",
    [
        lambda self: setattr(self, "weight", nn.Parameter(nn.init.orthogonal_(torch.empty(64, 64)))),
        lambda self: setattr(self, "weight", nn.Parameter(torch.randn(64, 64).cumsum(0))),
        lambda self: setattr(self, "weight", nn.Parameter(torch.cat([torch.zeros(9), torch.randn(9)]))),
        lambda self: setattr(self, "weight", nn.Parameter(torch.randn(64, 64) * torch.randn(64))),
    ],
)
def test_other_operations_run_on_the_whole(fill: Any) -> None:
    built = build(holding(fill))
    recipe = recipe_of(built, built.made.weight)
    assert recipe.pieces() == 1
    assert recipe.scratch >= recipe.nbytes

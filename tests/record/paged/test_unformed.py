"""Gradients that are not formed have the values of those that are."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from inithealth.record.paged import unformed
from inithealth.record.paged.unformed import Factors
from tests.record.paged.paging import paged, pager


class Words(nn.Module):
    def __init__(self, *, tied: bool) -> None:
        super().__init__()
        self.words, self.head = nn.Embedding(900, 512), nn.Linear(512, 900, bias=False)
        if tied:
            self.head.weight = self.words.weight

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        loss: torch.Tensor = self.head(self.words(tokens)).square().mean()
        return loss


TOKENS = torch.randint(900, (2, 5))


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("large", [False, True])
def test_norms(tied: bool, large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if large:
        monkeypatch.setattr(unformed, "LARGE", 2**10)
    torch.manual_seed(0)
    model = Words(tied=tied)
    expected = {name: p.clone() for name, p in zip(*gradients(model), strict=True)}
    found = {}
    with pager(paged(model), 2**26) as active:
        for name, gradient in zip(*gradients(model), strict=True):
            factors = active.unformed.take(gradient)
            assert (factors is None) == tied  # the gradients of two uses are added
            assert factors is None or factors.is_large == large
            found[name] = norm_of(active.formed(factors), factors) if factors else exact(gradient)
    for name, gradient in expected.items():
        assert found[name] == pytest.approx(exact(gradient), rel=1e-6)


def exact(gradient: torch.Tensor) -> float:
    return float(gradient.detach().double().norm())


def norm_of(formed: torch.Tensor, factors: Factors) -> float:
    return factors.norm() if factors.is_large else exact(formed)


def gradients(model: nn.Module) -> tuple[list[str], list[torch.Tensor]]:
    parameters = dict(model.named_parameters())
    return list(parameters), list(torch.autograd.grad(model(TOKENS), list(parameters.values())))

"""Buffers that were never filled: of a whole model, with the method that fills them."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from inithealth.record.sandbox.unfilled_buffers import unfilled
from inithealth.recording import UnfilledBuffer


class Clock(nn.Module):
    rates: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("rates", torch.zeros(4), persistent=False)
        self.frozen = nn.Parameter(torch.zeros(4), requires_grad=False)
        self.trained = nn.Parameter(torch.zeros(4))

    def reset_rates(self) -> None:
        self.rates.copy_(torch.linspace(0.1, 1.0, 4))

    def forward(self, time: Tensor) -> Tensor:
        factors = (self.rates, self.frozen, self.trained)
        return torch.cat([(time[:, None] * each).sin() for each in factors], 1)


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.clock, self.norm = Clock(), nn.BatchNorm1d(12)
        self.register_buffer("unused", torch.full((4,), float("nan")))


def found(run: Callable[[Model], Tensor], loss: float = 1.0) -> tuple[UnfilledBuffer, ...]:
    model = Model()
    return unfilled(dict(model.named_modules()), lambda: float(run(model).detach().sum()), loss)


def test_a_buffer_is_described_with_its_registration() -> None:
    rates, frozen = found(lambda model: model.norm(model.clock(torch.rand(6))))
    assert (rates.name, rates.module, rates.use) == ("clock.rates", "clock", "angle")
    assert (rates.parameter, rates.persistent, rates.refill) == (False, False, "reset_rates")
    assert (frozen.name, frozen.parameter, frozen.persistent, frozen.refill) == ("clock.frozen", True, True, "")
    assert rates.source is not None
    assert "test_unfilled_buffers.py" in rates.source


@pytest.mark.parametrize(("loss", "names"), [(1.0, []), (math.nan, ["unused"])])
def test_nan_that_does_not_reach_the_loss_marks_values_to_be_set(loss: float, names: list[str]) -> None:
    buffers = found(lambda model: model.get_buffer("unused").nan_to_num() + 1.0, loss)
    assert [each.name for each in buffers] == names


def test_nothing_runs_without_a_suspect() -> None:
    def never() -> float:
        raise AssertionError("a forward pass too many")

    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    assert unfilled(dict(model.named_modules()), never, 1.0) == ()

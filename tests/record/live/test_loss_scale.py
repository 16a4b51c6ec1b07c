"""Mixed precision: the scale of the gradients, and skipped steps."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.optim import SGD

from inithealth.record.live.loss_scale import LossScale, Overflows


def scaler(*, enabled: bool = True) -> torch.amp.GradScaler:
    return torch.amp.GradScaler("cpu", init_scale=1024.0, enabled=enabled)


def test_without_a_scaler_the_scale_is_one() -> None:
    for scale in (LossScale(None), LossScale(scaler(enabled=False))):
        assert (scale.at_backward(), scale.now(), scale.skipped(), scale.skipped()) == (1.0, 1.0, False, False)


def test_gradients_are_scaled_until_they_are_unscaled() -> None:
    amp, weight = scaler(), nn.Parameter(torch.ones(2))
    optimizer, scale = SGD([weight], lr=0.1), LossScale(amp)
    amp.scale(weight.sum()).backward()
    assert (scale.at_backward(), scale.now()) == (1024.0, 1024.0)
    amp.unscale_(optimizer)
    assert (scale.at_backward(), scale.now()) == (1024.0, 1.0)
    amp.step(optimizer)
    amp.update()
    assert scale.now() == 1024.0


@pytest.mark.parametrize(("gradient", "skips"), [(math.inf, True), (1.0, False)])
def test_a_step_was_skipped_if_the_scale_decreased(gradient: float, skips: bool) -> None:
    amp, weight = scaler(), nn.Parameter(torch.ones(2))
    optimizer, scale = SGD([weight], lr=0.1), LossScale(amp)
    assert not scale.skipped()
    amp.scale((weight * gradient).sum()).backward()
    amp.step(optimizer)
    amp.update()
    assert scale.skipped() is skips
    assert not scale.skipped()


def test_a_finite_loss_with_non_finite_gradients_is_an_overflow() -> None:
    overflows = Overflows()
    assert not overflows.note(1.0, [1.0, 2.0])
    assert overflows.note(1.0, [1.0, math.inf])
    assert overflows.note(None, [math.nan])
    assert not overflows.note(math.nan, [math.nan])


def test_consecutive_overflows_are_counted_up_to_twenty() -> None:
    overflows = Overflows()
    assert [overflows.note(1.0, [math.inf]) for _ in range(21)] == [True] * 20 + [False]
    assert overflows.before == 20
    assert not overflows.note(1.0, [1.0])
    assert overflows.before == 0
    assert overflows.note(1.0, [math.inf])
    overflows.note(1.0, [1.0])
    assert overflows.before == 1

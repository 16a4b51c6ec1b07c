"""IH407: updates that half precision rounds away, and steps that a scaler goes on skipping."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch.optim import SGD

from inithealth import Severity
from inithealth.recording import Recording, Step
from inithealth.rules.steps.precision_loss import PrecisionLoss
from tests.rules.nets import codes, finding, mlp
from tests.rules.recordings import judge, measured, recording, stack
from tests.rules.runs import several, trained, update


def test_bfloat16_weights_that_small_steps_do_not_move_are_named() -> None:
    report = trained(mlp().to(torch.bfloat16), optimizer=partial(SGD, lr=1e-4))
    found = finding(report, "IH407")
    assert found.severity == Severity.WARNING
    assert "of the weights are as they were before the step (limit 50%)" in found.message


def test_float32_weights_take_the_same_steps() -> None:
    assert "IH407" not in codes(trained(mlp(), optimizer=partial(SGD, lr=1e-4)))


def half(unmoved: float, **more: Any) -> Recording:
    layers = stack(fc1={"weight": {"half_precision": True}})
    return several(layers=layers, updates={"fc1": update(unmoved=unmoved, **more)})


@pytest.mark.parametrize(("unmoved", "found"), [(0.9, 1), (0.4, 0)])
def test_levels(unmoved: float, found: int) -> None:
    assert len(judge(PrecisionLoss, half(unmoved))) == found
    assert judge(PrecisionLoss, several(updates={"fc1": update(unmoved=unmoved)})) == []
    assert judge(PrecisionLoss, half(unmoved, rate=0.0)) == []


def skipped(steps: int) -> Recording:
    layers = stack()
    return recording(layers, steps=(Step(index=3, loss=2.0, layers=measured(layers), overflows=steps),))


def test_one_found_inf_while_the_scaler_warms_up_is_normal() -> None:
    assert judge(PrecisionLoss, skipped(1)) == []
    (found,) = judge(PrecisionLoss, skipped(6))
    assert found.message == "the loss scaler skipped 6 steps in a row before step 3 (limit 4)"


def test_options_move_the_limits() -> None:
    assert judge(PrecisionLoss, half(0.9), max_unmoved=0.95) == []
    assert judge(PrecisionLoss, skipped(6), max_overflows=10) == []
    assert judge(PrecisionLoss, half(0.9), min_steps=50) == []

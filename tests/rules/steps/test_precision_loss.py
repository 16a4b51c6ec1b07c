"""IH407: updates and gradients rounded to zero in half precision, and steps skipped by the loss scaler."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD

from inithealth import Severity
from inithealth.recording import Recording, Step
from inithealth.rules.steps.precision_loss import PrecisionLoss
from tests.rules.nets import codes, finding, mlp
from tests.rules.recordings import judge, measured, recording, signal, stack
from tests.rules.runs import several, trained, update


def test_bfloat16_weights_that_small_steps_do_not_move_are_named() -> None:
    report = trained(mlp().to(torch.bfloat16), optimizer=partial(SGD, lr=1e-4))
    found = finding(report, "IH407")
    assert found.severity == Severity.WARNING
    assert "of the weights unchanged (limit 50%)" in found.message


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
    assert "6 consecutive steps before step 3" in found.message
    assert (found.measured, found.limit) == (6.0, 4.0)


def flushed(rms: float, *, layers: int = 5, loss_scale: float = 1.0, **more: Any) -> Recording:
    """Gradients of that size, at so many of five layers, in float16."""
    every = stack()
    tiny = {"gradient": signal(rms, float16=True, **more).model_dump()}
    fine = {"gradient": signal(1e-3, float16=True).model_dump()}
    found = measured(every, **{each.name: tiny if at < layers else fine for at, each in enumerate(every)})
    steps = tuple(Step(index=index, loss=2.0, layers=found, loss_scale=loss_scale) for index in range(3))
    return recording(every, steps=steps)


def test_gradients_that_float16_rounds_to_zero() -> None:
    (found,) = judge(PrecisionLoss, flushed(3e-8))
    assert "68% or more of the gradient is rounded to zero" in found.message
    assert "(limit 10%, loss scale 1)" in found.message
    assert "16-mixed" in (found.fix or "")
    (found,) = judge(PrecisionLoss, flushed(3e-8 / 1024, loss_scale=1024.0))
    assert "init_scale" in (found.fix or "")
    (found,) = judge(PrecisionLoss, flushed(0.0, zero_share=1.0))
    assert found.measured == 1.0


def test_gradients_that_float16_holds() -> None:
    assert judge(PrecisionLoss, flushed(1e-5)) == []
    assert judge(PrecisionLoss, flushed(3e-8, loss_scale=2.0**16)) == []
    assert judge(PrecisionLoss, flushed(3e-8, layers=2)) == []  # a branch may have next to none by right
    assert judge(PrecisionLoss, flushed(1e-7, zero_share=0.9)) == []  # a relu's zeros are none of float16's


def large(top: float, **more: Any) -> Recording:
    layers = stack()
    found = measured(layers, fc1={"output": signal(9.0, abs_max=top, **more).model_dump()})
    return recording(layers, steps=tuple(Step(index=index, loss=2.0, layers=found) for index in range(2)))


def test_outputs_that_are_about_to_overflow() -> None:
    (found,) = judge(PrecisionLoss, large(5e4, float16=True))
    assert found.layers == ("fc1",)
    assert (found.measured, found.limit) == (5e4, 32752.0)
    assert judge(PrecisionLoss, large(5e4)) == []
    assert judge(PrecisionLoss, large(1e4, float16=True)) == []


class Half(nn.Module):
    def __init__(self, weight: float) -> None:
        super().__init__()
        self.net, self.weight = mlp(), weight

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.float16):
            return self.net(x) * self.weight


@pytest.mark.parametrize(("weight", "found"), [(1e-6, True), (1.0, False)])
def test_a_run_in_float16_without_a_scaler(weight: float, found: bool) -> None:
    assert ("IH407" in codes(trained(Half(weight)))) is found


def test_options_move_the_limits() -> None:
    assert judge(PrecisionLoss, half(0.9), max_unmoved=0.95) == []
    assert judge(PrecisionLoss, skipped(6), max_overflows=10) == []
    assert judge(PrecisionLoss, half(0.9), min_steps=50) == []
    assert judge(PrecisionLoss, flushed(3e-8), max_flushed=0.7) == []
    assert len(judge(PrecisionLoss, flushed(3e-8, layers=2), max_flushed_layers=0.1)) == 1
    assert judge(PrecisionLoss, large(5e4, float16=True), max_output=0.9) == []

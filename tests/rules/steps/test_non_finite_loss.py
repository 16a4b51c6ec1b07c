"""IH405: a non-finite loss that no other finding explains."""

from __future__ import annotations

import math

import pytest
from torch import Tensor

import inithealth
from inithealth import Severity
from inithealth.recording import Step
from inithealth.rules.steps.non_finite_loss import NonFiniteLoss
from tests.rules.nets import codes, finding, judged, mlp, vectors
from tests.rules.recordings import judge, recording


def not_finite(output: Tensor) -> Tensor:
    return output.square().mean() / 0.0


def test_a_loss_function_that_divides_by_zero() -> None:
    report = judged(mlp(), loss=not_finite)
    found = finding(report, "IH405")
    assert found.severity == Severity.ERROR
    assert found.layers == ()
    assert found.message == "the loss is inf at step 0: a division by zero"
    assert found.fix.startswith("check the loss function")
    assert [cause.code for cause in report.causes] == ["IH405"]


def test_a_finite_loss_has_no_finding() -> None:
    assert "IH405" not in codes(judged(mlp()))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_the_first_non_finite_step_is_reported(value: float) -> None:
    steps = tuple(
        Step(index=index, loss=loss) for index, loss in [(0, 2.3), (1, None), (2, 2.0), (3, value), (4, value)]
    )
    (found,) = judge(NonFiniteLoss, recording(steps=steps))
    assert found.step == 3
    assert found.message == f"the loss is {value} at step 3"
    assert found.cause == "the loss was finite until step 3"
    assert found.fix.startswith("lower the learning rate, or clip the gradients")


def test_a_watched_training_that_breaks_later_reports_the_step() -> None:
    model = mlp()
    with inithealth.watch(model) as monitor:
        for index in range(3):
            loss = model(vectors()).square().mean() / (0.0 if index == 2 else 1.0)
            loss.backward()
            monitor.step(loss)
    assert finding(monitor.report, "IH405").step == 2
    assert not monitor.report.ok

"""IH405: a non-finite loss that no other finding explains."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

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


class Normed(nn.Module):
    """Rows of a table, divided by their norm; the row of the padding is zero."""

    def __init__(self, padding: int | None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table = nn.Embedding(20, 16, padding_idx=padding)

    def forward(self, tokens: Tensor) -> Tensor:
        rows = self.table(tokens)
        return (rows / rows.norm(dim=-1, keepdim=True)).mean(1)


TOKENS = torch.arange(60).reshape(10, 6) % 20


def test_the_layer_before_a_division_by_zero_is_named() -> None:
    (found,) = judged(Normed(0), TOKENS).causes
    assert (found.code, found.layers) == ("IH405", ("table",))
    assert found.message == "the loss is nan at step 0: a division by zero after table (5.0% of the values)"
    assert found.fix.startswith("add an epsilon to the division after table")
    assert judged(Normed(None), TOKENS).ok


def test_a_buffer_that_is_divided_by_is_named() -> None:
    class Standardized(nn.Module):
        std: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.body = mlp()
            self.register_buffer("std", torch.zeros(32))

        def forward(self, x: Tensor) -> Tensor:
            return self.body(x / self.std)

    model = Standardized()
    found = finding(judged(model), "IH405")
    assert found.message == "the loss is nan at step 0: a division by zero, because std is exactly zero"
    exec(judged(model).causes[0].fix, {"model": model, "nn": nn})
    assert judged(model).ok


def test_dead_units_before_a_division_are_the_cause() -> None:
    class Dead(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(32, 64)
            nn.init.constant_(self.fc.bias, -9.0)

        def forward(self, x: Tensor) -> Tensor:
            y = torch.relu(self.fc(x))
            return y / y.sum(1, keepdim=True)

    report = judged(Dead())
    assert [cause.code for cause in report.causes] == ["IH204"]
    assert "IH405" in [each.code for each in report.consequences(report.causes[0])]

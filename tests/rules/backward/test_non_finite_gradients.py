"""IH303: non-finite gradients with a finite loss."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from inithealth import Severity
from inithealth.recording import Step
from inithealth.rules.backward.non_finite_gradients import NonFiniteGradients
from tests.rules.nets import codes, finding, judged, mlp
from tests.rules.recordings import judge, measured, recording, signal, stack


class Root(nn.Module):
    """A square root of exact zeros: its value is finite, its slope is not."""

    def __init__(self, epsilon: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.enter, self.fc, self.head = nn.Linear(32, 32), nn.Linear(32, 32), nn.Linear(32, 10)
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        x = self.fc(torch.relu(self.enter(x)))
        return self.head(torch.sqrt((x - x.detach()).square() + self.epsilon) + x)


def test_a_square_root_at_zero_has_an_infinite_slope() -> None:
    report = judged(Root())
    found = finding(report, "IH303")
    assert found.severity == Severity.ERROR
    assert found.layers == ("fc", "enter")
    assert found.message.startswith("fc: ")
    assert "1 upstream layer" in found.message
    assert (found.measured, found.limit) == (2.0, 0.0)
    assert "between fc and the loss" in found.cause
    assert "the square root of zero after fc" in found.cause
    assert found.fix.startswith("add an epsilon inside the roots")
    assert [cause.code for cause in report.causes] == ["IH303"]
    assert judged(Root(epsilon=1e-6)).causes == ()  # the fix in the finding


def test_finite_gradients_have_no_finding() -> None:
    assert "IH303" not in codes(judged(mlp()))


def test_a_non_finite_loss_is_left_to_its_rule() -> None:
    report = judged(mlp(), loss=lambda output: output.mean() + output.detach().new_tensor(math.nan) * output.mean())
    assert "IH303" not in codes(report)
    assert "IH405" in codes(report)


def test_a_weight_gradient_alone_is_sufficient() -> None:
    layers = stack()
    (found,) = judge(NonFiniteGradients, recording(layers, measured(layers, fc2={"weight_gradient": math.inf})))
    assert found.layers == ("fc2",)
    assert found.message == "fc2: the gradient is NaN or infinite"


def test_a_later_step_is_reported() -> None:
    layers = stack()
    broken = {"gradient": signal(non_finite=2).model_dump()}
    steps = (
        Step(index=0, loss=2.3, layers=measured(layers)),
        Step(index=5, loss=2.2, layers=measured(layers, fc1=broken)),
        Step(index=6, loss=math.nan, layers=measured(layers, fc3=broken)),
    )
    (found,) = judge(NonFiniteGradients, recording(layers, steps=steps))
    assert found.step == 5
    assert found.message == "fc1: the gradient is NaN or infinite at step 5"
    assert judge(NonFiniteGradients, recording(layers, steps=steps[::2])) == []


def test_a_recording_without_steps_has_no_finding() -> None:
    assert judge(NonFiniteGradients, recording(steps=())) == []

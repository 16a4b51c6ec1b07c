"""IH203: the first layer with a non-finite output is named."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from inithealth import Severity
from inithealth.recording import Step
from inithealth.rules.forward.non_finite_activations import NonFiniteActivations
from tests.rules.nets import codes, finding, judged, mlp
from tests.rules.recordings import judge, measured, recording, signal, stack


class Logarithm(nn.Module):
    def __init__(self, epsilon: float | None = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.enter, self.head, self.epsilon = nn.Linear(32, 32), nn.Linear(32, 10), epsilon

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        return self.head(torch.log(x if self.epsilon is None else x.abs() + self.epsilon))


def test_an_operation_without_weights_is_the_cause() -> None:
    report = judged(Logarithm())
    found = finding(report, "IH203")
    assert (found.severity, found.layers) == (Severity.ERROR, ("head",))
    assert found.message == "head: 640 NaN or infinite values in the output"
    assert (found.measured, found.limit) == (640.0, 0.0)
    assert found.cause.startswith("its input is not finite either")
    assert found.fix.endswith("before head")
    assert [cause.code for cause in report.causes] == ["IH203"]
    assert judged(Logarithm(1e-6)).ok  # as told


def test_an_overflow_is_reported_with_the_largest_input() -> None:
    model = mlp()
    model[4].weight.data.mul_(1e38)
    found = finding(judged(model), "IH203")
    assert found.layers[0] == "4"
    assert found.message.startswith("layer 4: ")
    assert found.message.endswith(" 2 downstream layers")
    assert "in layer 4 (largest input " in found.cause
    assert found.fix.startswith("check what layer 4 computes from its input; run in float32")


def test_finite_outputs_are_silent() -> None:
    assert "IH203" not in codes(judged(mlp()))
    assert judge(NonFiniteActivations, recording(steps=())) == []


def test_the_first_layer_in_forward_order_is_the_root_cause() -> None:
    layers = stack()
    broken = {"output": signal(non_finite=1).model_dump()}
    step = Step(index=0, layers=tuple(reversed(measured(layers, fc3=broken, fc1=broken))))
    (found,) = judge(NonFiniteActivations, recording(layers, steps=(step,)))
    assert found.layers == ("fc1", "fc3")
    assert found.message.startswith("fc1: 1 NaN or infinite value ")
    assert found.message.endswith(" 1 downstream layer")


def test_at_a_later_step_the_training_has_diverged() -> None:
    layers = stack()
    broken = {"output": signal(non_finite=7).model_dump()}
    steps = (Step(index=0, layers=measured(layers)), Step(index=3, layers=measured(layers, fc1=broken)))
    (found,) = judge(NonFiniteActivations, recording(layers, steps=steps))
    assert found.step == 3
    assert found.message == "fc1: 7 NaN or infinite values in the output at step 3"
    assert found.cause == "finite until step 3: the training diverged"
    assert found.fix.startswith("lower the learning rate, or clip the gradients")

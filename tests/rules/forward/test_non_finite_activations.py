"""IH203: the first layer with a non-finite output is named."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inithealth import Severity
from inithealth.recording import Recording, Step
from inithealth.rules.forward.exploding_activations import ExplodingActivations
from inithealth.rules.forward.non_finite_activations import NonFiniteActivations
from tests.rules.folding import explains, found_by
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
    assert found.cause.endswith("of the values)")
    assert found.fix.startswith("add an epsilon to the logarithm after enter")
    assert [cause.code for cause in report.causes] == ["IH203"]
    assert judged(Logarithm(1e-6)).ok  # the fix in the finding


def test_an_overflow_is_reported_with_the_largest_input() -> None:
    model = mlp()
    model[4].weight.data.mul_(1e38)
    found = finding(judged(model), "IH203")
    assert found.layers[0] == "4"
    assert found.message.startswith("layer 4: ")
    assert found.message.endswith(" 2 downstream layers")
    assert "in layer 4 (largest input " in found.cause
    assert found.fix.startswith("check what layer 4 computes from its input; run in float32")


def test_finite_outputs_have_no_finding() -> None:
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


def broken(*names: str, output: int = 1, **more: Any) -> Recording:
    """Return a step at which the outputs of these layers are not finite."""
    layers = stack()
    each = {"output": signal(non_finite=output).model_dump(), **more}
    return recording(layers, measured(layers, **dict.fromkeys(names, each)))


@pytest.mark.parametrize("names", [("fc1",), ("fc1", "fc2"), ("fc0", "fc1", "fc2", "fc3")])
def test_the_number_of_later_layers_is_reported(names: tuple[str, ...]) -> None:
    (found,) = judge(NonFiniteActivations, broken(*names, output=7))
    assert (found.layers, found.measured, found.limit, found.step) == (names, 7.0, 0.0, 0)
    assert [int(number) for number in re.findall(r"\b\d+", found.message)] == [7, *[len(names) - 1] * (len(names) > 1)]


def test_the_first_step_that_is_broken_is_reported() -> None:
    layers = stack()
    bad = measured(layers, fc1={"output": signal(non_finite=1).model_dump()})
    worse = measured(layers, fc0={"output": signal(non_finite=9).model_dump()})
    steps = (Step(index=0, layers=measured(layers)), Step(index=5, layers=bad), Step(index=7, layers=worse))
    (found,) = judge(NonFiniteActivations, recording(layers, steps=steps))
    assert (found.layers, found.step, found.measured) == (("fc1",), 5, 1.0)


@pytest.mark.parametrize(
    ("reads", "largest"), [(signal(1.0, abs_max=37.0).model_dump(), True), (signal(non_finite=2).model_dump(), False)]
)
def test_the_largest_input_is_reported_if_it_is_finite(reads: dict[str, Any], largest: bool) -> None:
    (found,) = judge(NonFiniteActivations, broken("fc1", input=reads))
    assert ("37" in found.cause) is largest
    (unknown,) = judge(NonFiniteActivations, broken("fc1", input=None))
    assert "37" not in unknown.cause
    assert unknown.fix
    assert (unknown.fix == found.fix) is largest  # if the input is already broken, the cause is before the layer


def test_layers_without_an_output_or_a_name_are_ignored() -> None:
    layers = stack()
    known = measured(layers, fc0={"output": None})
    stranger = known[1].model_copy(update={"layer": "elsewhere", "output": signal(non_finite=1)})
    assert judge(NonFiniteActivations, recording(layers, (*known, stranger))) == []


def test_an_overflow_may_follow_from_growth_but_an_undefined_value_may_not() -> None:
    (overflow,) = judge(NonFiniteActivations, broken("fc1"))
    (undefined,) = judge(NonFiniteActivations, broken("fc1", input=signal(non_finite=1).model_dump()))
    assert explains(ExplodingActivations, found_by(ExplodingActivations), "IH203", variant=overflow.variant)
    assert not explains(ExplodingActivations, found_by(ExplodingActivations), "IH203", variant=undefined.variant)


def test_non_finite_values_explain_downstream_findings() -> None:
    (found,) = judge(NonFiniteActivations, broken("fc1"))
    for code in ("IH201", "IH202", "IH208", "IH301", "IH302", "IH303", "IH304", "IH405"):
        assert explains(NonFiniteActivations, found, code, step=1)
    assert explains(NonFiniteActivations, found, "IH301")
    (undefined,) = judge(NonFiniteActivations, broken("fc1", input=signal(non_finite=1).model_dump()))
    assert explains(NonFiniteActivations, undefined, "IH303")
    assert not explains(NonFiniteActivations, found, "IH407", step=1)


def test_an_undefined_operation_is_named_with_the_layer_before_it() -> None:
    class Normed(nn.Module):
        def __init__(self, bias: float) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.fc, self.head = nn.Linear(32, 64), nn.Linear(64, 10)
            nn.init.constant_(self.fc.bias, bias)

        def forward(self, x: Tensor) -> Tensor:
            x = torch.relu(self.fc(x))
            return self.head(x / x.sum(1, keepdim=True))

    report = judged(Normed(-9.0))
    found = finding(report, "IH203")
    assert found.layers == ("head",)
    assert "a division by zero after fc" in found.cause
    assert found.fix.startswith("add an epsilon to the division after fc")
    assert [cause.code for cause in report.causes] == ["IH204"]  # the dead units make the sum zero
    assert judged(Normed(0.0)).causes == ()

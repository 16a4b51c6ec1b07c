"""IH101: non-finite weights are named, fixed, and explain all findings downstream."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import inithealth
from inithealth import Severity
from inithealth.recording import ForwardWrite, Step
from inithealth.rules.weights.non_finite_weights import NonFiniteWeights
from tests.record.live.test_forward_writes import ActNorm
from tests.rules.nets import codes, finding, fixed, judged, mlp, typed, vectors
from tests.rules.recordings import judge, layer, recording


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_one_non_finite_element_is_an_error(value: float) -> None:
    model = mlp()
    model[4].weight.data[3, 5] = value
    report = judged(model)
    found = finding(report, "IH101")
    assert found.severity == Severity.ERROR
    assert found.layers == ("4",)
    assert found.message == "layer 4: 1 NaN or infinite value in 4.weight"
    assert (found.measured, found.limit) == (1.0, 0.0)
    assert [cause.code for cause in report.causes] == ["IH101"]
    assert fixed(model, "IH101").ok


def test_non_finite_values_downstream_are_a_consequence() -> None:
    model = mlp()
    model[2].weight.data[0, 0] = float("nan")
    report = judged(model)
    assert {"IH203", "IH405"} <= {found.code for found in report.consequences(report.causes[0])}


def test_weights_and_biases_of_several_layers_are_one_finding() -> None:
    model = mlp()
    model[2].bias.data.fill_(float("nan"))
    model[4].weight.data[0, 0] = float("inf")
    model[4].bias.data[0] = float("inf")
    found = finding(judged(model), "IH101")
    assert found.layers == ("2", "4")
    assert found.measured == 66.0
    assert found.message.endswith(" in 2.bias, 4.weight, 4.bias")
    assert fixed(model, "IH101").ok


def test_the_first_of_many_parameters_are_named() -> None:
    model = mlp()
    for number in (0, 2, 4, 6):
        model[number].weight.data[0, 0] = float("nan")
    found = finding(judged(model), "IH101")
    assert found.layers == ("0", "2", "4", "6")
    assert found.measured == 4.0
    assert found.message.endswith(" in 0.weight, 2.weight, 4.weight and 1 other parameter")
    typed(found, model)
    assert judged(model).ok


def test_a_frozen_layer_is_checked_too() -> None:
    model = mlp()
    model[0].requires_grad_(False)
    model[0].weight.data[0, 0] = float("nan")
    assert finding(judged(model), "IH101").layers == ("0",)


def test_a_norm_is_fixed_with_ones() -> None:
    model = nn.Sequential(nn.Linear(32, 64), nn.LayerNorm(64), nn.Linear(64, 10))
    model[1].weight.data[0] = float("nan")
    typed(finding(judged(model), "IH101"), model)
    assert torch.equal(model[1].weight, torch.ones(64))


def test_large_weights_are_finite() -> None:
    model = mlp()
    model[2].weight.data.mul_(1e6)
    assert "IH101" not in codes(judged(model))


def test_a_recording_without_layers_has_no_finding() -> None:
    assert judge(NonFiniteWeights, recording(layers=(), measurements=())) == []


def test_layers_without_weights_are_ignored() -> None:
    assert judge(NonFiniteWeights, recording(layers=(layer("fc", 0).model_copy(update={"weight": None}),))) == []


def standardizing(epsilon: float, *, middle: nn.Module | None = None) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(32, 16), middle or nn.Identity(), ActNorm(16, epsilon), nn.Linear(16, 10))


def test_values_that_the_forward_pass_writes_are_not_the_fault_of_the_stored_ones() -> None:
    model = standardizing(0.0)
    nn.init.zeros_(model[0].weight[3:5])
    nn.init.constant_(model[0].bias, 0.5)
    report = judged(model)
    found = finding(report, "IH101")
    assert found.severity == Severity.ERROR
    assert found.message == "2.scale: 2 NaN or infinite values in 2.scale, written by the forward pass"
    assert found.cause.startswith("the forward pass of layer 2 sets scale from the batch, in which channels 3, 4 of ")
    assert "nn.init" not in found.fix
    assert [cause.code for cause in report.causes if cause.severity == Severity.ERROR] == ["IH101"]
    assert {"IH203", "IH405"} <= {each.code for each in report.consequences(found)}
    nn.init.ones_(model[2].scale)  # what would be advised for stored values changes nothing
    assert "IH101" in codes(judged(model))


def test_an_epsilon_makes_it_finite() -> None:
    assert "IH101" not in codes(judged(standardizing(0.1)))
    assert judged(standardizing(0.0)).ok  # all channels vary


def test_a_stored_value_comes_before_what_the_forward_pass_makes_of_it() -> None:
    model = standardizing(0.1)
    model[0].weight.data[0, 0] = float("nan")
    report = judged(model)
    assert finding(report, "IH101").layers == ("0",)
    assert fixed(model, "IH101").ok


class Logarithm(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.log(torch.relu(x))


def test_an_input_that_is_not_finite_comes_before_what_the_forward_pass_makes_of_it() -> None:
    report = judged(standardizing(0.1, middle=Logarithm()))
    (cause,) = [cause for cause in report.causes if cause.severity == Severity.ERROR]
    assert cause.code == "IH203"
    assert cause.cause.startswith("its input is not finite either")
    assert "IH101" in {each.code for each in report.consequences(cause)}


def test_a_magnitude_of_weight_norm_set_from_the_batch() -> None:
    """Salimans and Kingma 2016: units that give the same for all samples have no spread."""

    class Normed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.v, self.g = nn.Parameter(torch.randn(10, 32)), nn.Parameter(torch.ones(10, 1))
            self.started = False

        def product(self, x: Tensor) -> Tensor:
            return F.linear(x, self.g * F.normalize(self.v))

        def forward(self, x: Tensor) -> Tensor:
            if not self.started:
                self.started = True
                with torch.no_grad():
                    self.g.div_(self.product(x).std(0)[:, None])
            return self.product(x)

    torch.manual_seed(0)
    assert judged(Normed()).ok
    model, x = Normed(), vectors()
    x[:, 0] = 1.0
    model.v.data[3] = torch.eye(32)[0]
    found = finding(judged(model, x), "IH101")
    assert found.cause.startswith("the forward pass of the model sets g from the batch; the stored values are finite")


def test_an_input_that_is_too_large_comes_before_what_the_forward_pass_makes_of_it() -> None:
    model = standardizing(0.1)
    model[0].weight.data.mul_(1e37)
    causes = [cause.code for cause in judged(model).causes]
    assert "IH101" not in causes
    assert "IH106" in causes


def test_a_watched_training_names_the_module_that_reads_the_batch() -> None:
    """Its input needs no gradient, so the graph has no layer there."""
    torch.manual_seed(0)
    model, x = nn.Sequential(ActNorm(32), nn.Linear(32, 10)), vectors()
    x[:, 4] = 1.0
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    with inithealth.watch(model, optimizer=optimizer, verbose=False) as monitor:
        loss = model(x).square().mean()
        loss.backward()
        monitor.step(loss)
    (cause,) = monitor.report.causes
    assert (cause.code, cause.layers[0]) == ("IH101", "0")
    assert cause.message.startswith("layer 0: 1 NaN or infinite value in 0.scale")
    assert "in which channel 4 of its 32 does not vary" in cause.cause


def test_a_mask_of_infinities_that_harms_nothing_is_silent() -> None:
    write = {"mask": ForwardWrite(broken=4)}
    assert judge(NonFiniteWeights, recording(forward_writes=write)) == []
    broken = Step(index=0, loss=float("nan"))
    (found,) = judge(NonFiniteWeights, recording(steps=(broken,), forward_writes=write))
    assert (found.layers, found.measured) == (("mask",), 4.0)

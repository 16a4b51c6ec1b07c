"""IH101: non-finite weights are named, fixed, and explain all findings downstream."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from inithealth import Severity
from inithealth.rules.weights.non_finite_weights import NonFiniteWeights
from tests.rules.nets import codes, finding, fixed, judged, mlp, typed
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

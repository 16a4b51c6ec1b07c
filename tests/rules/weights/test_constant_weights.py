"""IH104: constant weights are an error if their units stay identical, otherwise a warning."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from inithealth import Severity
from inithealth.recording import Probation, Recording
from inithealth.rules.weights.constant_weights import ConstantWeights
from tests.rules.nets import codes, finding, fixed, he, judged, mlp, pictures, with_options
from tests.rules.recordings import judge, recording, stack

CONSTANT = {"constant": True, "mean": 0.02, "rms": 0.02, "duplicate_rows": 0.99}


def filled(model: nn.Sequential, *places: int, bias: bool = False) -> nn.Sequential:
    for place in places:
        nn.init.constant_(model[place].weight, 0.02)
        if bias:
            nn.init.normal_(model[place].bias, std=0.1)
    return model


def test_a_constant_network_is_an_error() -> None:
    model = filled(mlp(), 0, 2, 4, 6, 8)
    report = judged(model)
    found = finding(report, "IH104")
    assert found.severity == Severity.ERROR
    assert found.layers == ("0", "2", "4", "6")
    assert "all weights are 0.02; 98% of the units are identical" in found.message
    assert found.measured == pytest.approx(63 / 64)
    assert found.limit == 0.5
    assert [cause.code for cause in report.causes] == ["IH104"]
    assert fixed(model, "IH104").ok


def test_the_constants_of_several_layers_are_reported_as_a_range() -> None:
    model = filled(mlp(), 0, 2, 4, 6, 8)
    nn.init.constant_(model[4].weight, 0.03)
    assert "(0.02 to 0.03)" in finding(judged(model), "IH104").message


def test_a_constant_layer_among_random_ones_is_a_warning() -> None:
    model = filled(mlp(), 2)
    found = finding(judged(model), "IH104")
    assert found.severity == Severity.WARNING
    assert found.layers == ("2",)
    assert "diverge in training: 0% of the units" in found.message
    assert fixed(model, "IH104").ok


def test_constant_filters_are_found() -> None:
    model = he(nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU(), nn.Flatten()))
    model.append(nn.Linear(256, 10))
    nn.init.constant_(model[2].weight, 0.1)
    assert finding(judged(model, pictures()), "IH104").layers == ("2",)
    fixed(model, "IH104", pictures())


def test_units_that_differ_only_in_their_biases_are_a_warning() -> None:
    model = filled(mlp(), 2, bias=True)
    found = finding(judged(model), "IH104")
    assert found.severity == Severity.WARNING
    assert found.layers == ("2",)
    assert "differ only in their biases" in found.message
    fixed(model, "IH104")


def test_random_weights_are_healthy() -> None:
    assert judged(mlp()).causes == ()


def test_the_targets_make_the_units_of_a_constant_head_diverge() -> None:
    assert "IH104" not in codes(judged(filled(mlp(), 8)))


def test_constant_norms_and_biases_are_expected() -> None:
    layers = [nn.Linear(32, 64), nn.LayerNorm(64), nn.ReLU(), nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU()]
    assert judged(he(nn.Sequential(*layers, nn.Linear(64, 10)))).causes == ()


def test_a_frozen_constant_filter_is_a_blur() -> None:
    model = he(nn.Sequential(nn.Conv2d(3, 16, 3), nn.Conv2d(16, 16, 3, bias=False), nn.ReLU(), nn.Flatten()))
    model.append(nn.Linear(256, 10))
    nn.init.constant_(model[1].weight, 1 / 9)
    model[1].requires_grad_(False)
    assert "IH104" not in codes(judged(model, pictures()))


def test_equal_depthwise_filters_read_different_channels() -> None:
    model = he(nn.Sequential(nn.Conv2d(3, 16, 3), nn.Conv2d(16, 16, 3, groups=16), nn.ReLU(), nn.Flatten()))
    model.append(nn.Linear(256, 10))
    nn.init.constant_(model[1].weight, 1 / 3)
    assert "IH104" not in codes(judged(model, pictures()))


def test_the_option_changes_the_limit() -> None:
    trial = Probation(steps=4, settled=True, duplicates={"fc1.weight": 0.3})
    made_up = recording(stack(fc1={"weight": CONSTANT}), probation=trial)
    assert judge(ConstantWeights, made_up)[0].severity == Severity.WARNING
    assert judge(ConstantWeights, made_up, max_alike=0.25)[0].severity == Severity.ERROR
    model = filled(mlp(), 0, 2, 4, 6, 8)
    report = judged(model, select="IH104", **with_options("constant-weights", max_alike=1.0))
    assert finding(report, "IH104").severity == Severity.WARNING


def test_it_is_info_during_the_probation() -> None:
    for trial in (None, Probation(steps=1, settled=False, duplicates={"fc1.weight": 0.99})):
        (found,) = judge(ConstantWeights, recording(stack(fc1={"weight": CONSTANT}), probation=trial))
        assert found.severity == Severity.INFO
        assert "too few optimizer steps" in found.message


def test_the_constant_head_of_a_constant_body_is_fixed_too() -> None:
    """With a constant head all units get the same gradient, even with new weights in the body."""
    model = filled(mlp(), 0, 2, 4, 6, 8)
    fixed(model, "IH104")
    assert model[8].weight.std() > 0
    assert torch.isfinite(model[8].weight).all()


def shifted(layers: int) -> Recording:
    """Return four layers and a head; this many are constant, with units that differ by their biases."""
    constant = {**CONSTANT, "duplicate_rows": 0.0}
    return recording(stack(5, **{f"fc{number}": {"weight": constant} for number in range(layers)}))


def test_a_fully_constant_network_preserves_one_direction_with_any_biases() -> None:
    (found,) = judge(ConstantWeights, shifted(4))
    assert (found.severity, len(found.layers)) == (Severity.ERROR, 4)
    (found,) = judge(ConstantWeights, shifted(2))
    assert found.severity == Severity.WARNING
    assert judge(ConstantWeights, shifted(4), min_layers_of_whole=6)[0].severity == Severity.WARNING
    assert judge(ConstantWeights, shifted(4), min_share_of_whole=1.1)[0].severity == Severity.WARNING

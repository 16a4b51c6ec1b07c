"""IH105: copies that never diverge are an error, copies that do a warning."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from inithealth import Severity
from inithealth.recording import Probation
from inithealth.rules.weights.duplicate_neurons import DuplicateNeurons
from tests.rules.folding import explains
from tests.rules.nets import codes, finding, fixed, he, judged, mlp, pictures, with_options
from tests.rules.recordings import judge, layer, recording, stack


def copied(share: float, *, read_alike: bool) -> nn.Sequential:
    """Return a network whose third layer repeats its first units; ``read_alike`` makes their outgoing weights equal."""
    model = mlp()
    copies = int(64 * share)
    with torch.no_grad():
        model[2].weight[-copies:] = model[2].weight[:copies]
        if read_alike:
            model[4].weight[:, -copies:] = model[4].weight[:, :copies]
    return model


def test_copies_with_equal_outgoing_weights_are_an_error() -> None:
    model = copied(0.5, read_alike=True)
    report = judged(model)
    found = finding(report, "IH105")
    assert found.severity == Severity.ERROR
    assert found.layers == ("2",)
    assert "still identical after 4 steps" in found.message
    assert (found.measured, found.limit) == (0.5, 0.5)
    assert [cause.code for cause in report.causes] == ["IH105"]
    assert "IH305" in [consequence.code for consequence in report.consequences(found)]
    assert fixed(model, "IH105").ok


def test_filters_are_units_too() -> None:
    model = he(nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU(), nn.Flatten()))
    model.append(nn.Linear(256, 10))
    with torch.no_grad():
        model[0].weight[8:] = model[0].weight[:8]
        model[2].weight[:, 8:] = model[2].weight[:, :8]
    found = finding(judged(model, pictures()), "IH105")
    assert (found.severity, found.layers) == (Severity.ERROR, ("0",))
    assert fixed(model, "IH105", pictures()).ok


def test_copies_that_diverge_are_a_warning() -> None:
    found = finding(judged(copied(0.5, read_alike=False)), "IH105")
    assert found.severity == Severity.WARNING
    assert "diverge in training" in found.message


def test_some_copies_that_stay_are_a_warning() -> None:
    found = finding(judged(copied(0.25, read_alike=True)), "IH105")
    assert found.severity == Severity.WARNING
    assert "25% of the units are copies of another unit and are still identical" in found.message


def test_few_copies_that_diverge_are_info() -> None:
    assert finding(judged(copied(0.1, read_alike=False)), "IH105").severity == Severity.INFO


def test_random_units_are_healthy() -> None:
    assert judged(mlp()).causes == ()


def test_units_with_different_biases_are_not_copies() -> None:
    model = copied(0.5, read_alike=True)
    nn.init.normal_(model[2].bias)
    assert "IH105" not in codes(judged(model))


def test_a_head_may_have_duplicates() -> None:
    model = mlp()
    model[8].weight.data[5:] = model[8].weight.data[:5]
    assert "IH105" not in codes(judged(model))


def test_equal_depthwise_filters_read_different_channels() -> None:
    model = he(nn.Sequential(nn.Conv2d(3, 16, 3), nn.Conv2d(16, 16, 3, groups=16), nn.ReLU(), nn.Flatten()))
    model.append(nn.Linear(256, 10))
    model[1].weight.data[8:] = model[1].weight.data[:8]
    assert "IH105" not in codes(judged(model, pictures()))


def test_experts_unused_in_this_batch_are_not_copies() -> None:
    class Mixture(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.experts = he(nn.ModuleList(mlp(1) for _ in range(4)))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.experts[0](x)

    found = {(each.code, each.severity) for each in judged(Mixture()).causes}
    assert found == {("IH304", Severity.INFO)}


def test_several_layers_are_one_finding() -> None:
    model = copied(0.5, read_alike=True)
    with torch.no_grad():
        model[4].weight[48:] = model[4].weight[:16]
        model[6].weight[:, 48:] = model[6].weight[:, :16]
        model[0].weight[-32:] = model[0].weight[:32]
        model[2].weight[:, -32:] = model[2].weight[:, :32]
    found = [each for each in judged(model).findings if each.code == "IH105"]
    assert [(each.severity, each.layers) for each in found] == [
        (Severity.ERROR, ("0", "2")),
        (Severity.WARNING, ("4",)),
    ]
    assert found[0].message.startswith("layer 0, layer 2: up to 50% of the units")


def test_the_share_reported_is_that_of_units_still_identical() -> None:
    made_up = recording(stack(fc1={"weight": {"duplicate_rows": 0.8}}), probation=trial(0.1))
    (found,) = judge(DuplicateNeurons, made_up)
    assert found.measured == 0.1
    assert found.message.startswith("fc1: 10% of the units")


@pytest.mark.parametrize("place", [{"kind": "embedding"}, {"head": True}, {"reaches_loss": False}])
def test_heads_and_frozen_layers_are_not_checked(place: dict[str, Any]) -> None:
    alike = layer("fc", 0, weight={"duplicate_rows": 0.9}, **place)
    assert judge(DuplicateNeurons, recording((alike,))) == []


def trial(alike: float, settled: bool = True) -> Probation:
    return Probation(steps=4 if settled else 1, settled=settled, duplicates={"fc1.weight": alike})


def test_it_is_info_during_the_probation() -> None:
    layers = stack(fc1={"weight": {"duplicate_rows": 0.9}})
    for probation in (None, trial(0.9, settled=False)):
        (found,) = judge(DuplicateNeurons, recording(layers, probation=probation))
        assert found.severity == Severity.INFO


def test_options() -> None:
    model = copied(0.25, read_alike=True)
    stricter = judged(model, **with_options("duplicate-neurons", max_lost=0.2))
    assert finding(stricter, "IH105").severity == Severity.ERROR
    parting = copied(0.1, read_alike=False)
    assert finding(judged(parting, **with_options("duplicate-neurons", min_share=0.05)), "IH105").severity == "warning"


def test_units_with_few_inputs_coincide_by_chance_in_half_precision() -> None:
    half = {"duplicate_rows": 0.6, "half_precision": True, "fan_in": 2}
    made_up = recording(stack(fc1={"weight": half}), probation=trial(0.0))
    assert judge(DuplicateNeurons, made_up) == []
    assert len(judge(DuplicateNeurons, made_up, min_fan_in=2)) == 1


@pytest.mark.parametrize(("copies", "severity"), [(31, Severity.ERROR), (30, Severity.WARNING)])
def test_half_of_the_units_being_copies_is_an_error(copies: int, severity: Severity) -> None:
    """Of 32 identical units, 31 repeat another one."""
    layers = stack(fc1={"weight": {"duplicate_rows": 0.5, "fan_out": 64}})
    (found,) = judge(DuplicateNeurons, recording(layers, probation=trial(copies / 64)))
    assert (found.severity, found.measured) == (severity, copies / 64)


@pytest.mark.parametrize(("share", "severity"), [(0.25, Severity.WARNING), (0.24, Severity.INFO)])
def test_a_quarter_of_the_units_is_a_warning_if_they_diverge(share: float, severity: Severity) -> None:
    layers = stack(fc1={"weight": {"duplicate_rows": share}})
    (found,) = judge(DuplicateNeurons, recording(layers, probation=trial(0.0)))
    assert (found.severity, found.measured) == (severity, share)


def test_the_worst_of_several_layers_is_measured() -> None:
    shares = {"fc0": 0.3, "fc1": 0.9, "fc2": 0.6}
    layers = stack(**{name: {"weight": {"duplicate_rows": share}} for name, share in shares.items()})
    (parting,) = judge(DuplicateNeurons, recording(layers, probation=trial(0.0)))
    assert (parting.layers, parting.measured, parting.limit) == (("fc0", "fc1", "fc2"), 0.9, 0.5)
    alike = {f"{name}.weight": share / 3 for name, share in shares.items()}
    (still,) = judge(DuplicateNeurons, recording(layers, probation=Probation(steps=4, settled=True, duplicates=alike)))
    assert (still.layers, still.measured, still.severity) == (("fc0", "fc1", "fc2"), 0.9 / 3, Severity.WARNING)
    assert still.cause != parting.cause


@pytest.mark.parametrize(
    ("weight", "found"),
    [
        ({"half_precision": True, "fan_in": 3}, 1),
        ({"half_precision": True, "fan_in": 2}, 0),
        ({"half_precision": True, "fan_in": None}, 0),
        ({"fan_in": 2}, 1),
        ({"trainable": False}, 0),
        ({"constant": True}, 0),
        ({"duplicate_rows": 0.0}, 0),
    ],
)
def test_which_copies_are_judged(weight: dict[str, Any], found: int) -> None:
    layers = stack(fc1={"weight": {"duplicate_rows": 0.6, **weight}})
    assert len(judge(DuplicateNeurons, recording(layers, probation=trial(0.0)))) == found


def test_an_unknown_number_of_inputs_is_not_judged_in_half_precision() -> None:
    layers = stack(fc1={"weight": {"duplicate_rows": 0.6, "half_precision": True, "fan_in": None}})
    assert judge(DuplicateNeurons, recording(layers, probation=trial(0.0)), min_fan_in=1) == []


def test_copies_explain_repeated_gradients() -> None:
    layers = stack(fc1={"weight": {"duplicate_rows": 0.6}})
    (found,) = judge(DuplicateNeurons, recording(layers, probation=trial(0.6)))
    for code in ("IH201", "IH204", "IH206", "IH207", "IH305", "IH401"):
        assert explains(DuplicateNeurons, found, code)
    assert not explains(DuplicateNeurons, found, "IH304")


def upsampled(*, per_channel: bool = False, groups: int = 1) -> nn.Sequential:
    """Return a segmentation network whose last layer upsamples with a bilinear filter, for all pairs of channels."""
    model = he(nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 4, 1)))
    model.append(nn.ConvTranspose2d(4, 4, 4, 2, 1, bias=False, groups=groups))
    tent = torch.tensor([0.25, 0.75, 0.75, 0.25])
    with torch.no_grad():
        model[3].weight.zero_()
        if per_channel:
            model[3].weight[range(4), range(4)] = tent * tent[:, None]
        else:
            model[3].weight.copy_(tent * tent[:, None])
    return model


def classes(output: torch.Tensor) -> torch.Tensor:
    target = torch.arange(4).repeat_interleave(output[:, 0].numel() // 4).view(output[:, 0].shape)
    return nn.functional.cross_entropy(output, target)


def test_identical_units_of_a_head_pass_no_gradient() -> None:
    report = judged(upsampled(), pictures(), loss=classes)
    found = finding(report, "IH105")
    assert (found.severity, found.layers) == (Severity.WARNING, ("3",))
    assert "none passes upstream" in found.cause


@pytest.mark.parametrize("model", [upsampled(per_channel=True), upsampled(groups=4)])
def test_a_filter_per_channel_passes_gradients(model: nn.Module) -> None:
    assert "IH105" not in codes(judged(model, pictures(), loss=classes))

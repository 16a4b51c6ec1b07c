"""IH204: units that never activate, because of their bias or of dead layers upstream."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from inithealth import Severity
from inithealth.rules.forward.dead_units import DeadUnits
from tests.rules.nets import codes, finding, fixed, he, judged, mlp, pictures, with_options
from tests.rules.recordings import judge, measured, recording, signal, stack


def shut(model: nn.Sequential, place: int, share: float = 1.0, bias: float = -20.0) -> nn.Sequential:
    units = model[place].bias.numel()
    model[place].bias.data[: round(units * share)] = bias
    return model


def test_a_layer_inactive_by_its_bias_is_an_error() -> None:
    model = shut(mlp(), 2)
    report = judged(model)
    cause = report.causes[0]
    assert [each.code for each in report.causes] == ["IH204"]
    assert (cause.severity, cause.layers) == (Severity.ERROR, ("2",))
    assert cause.message.startswith("layer 2: 100% of its 64 units")
    assert (cause.measured, cause.limit) == (1.0, 0.75)
    assert cause.cause == "bias of mean -20 outweighs the weights' contribution"
    assert cause.fix == "nn.init.zeros_(model[2].bias)"
    exec(cause.fix, {"model": model, "nn": nn})
    assert judged(model).causes == ()


def test_dead_layers_downstream_of_a_dead_layer_are_one_consequence() -> None:
    report = judged(shut(mlp(), 2))
    behind = [found for found in report.consequences(report.causes[0]) if found.code == "IH204"]
    assert [found.layers for found in behind] == [("4", "6")]
    assert behind[0].message.startswith("layer 4, layer 6: 100% of the units")
    assert "IH304" in [found.code for found in report.consequences(report.causes[0])]


def test_two_biases_are_one_finding() -> None:
    model = shut(shut(mlp(), 2), 6)
    cause = judged(model).causes[0]
    assert cause.layers == ("2", "6")
    assert cause.cause == "bias of mean -20, -20 outweighs the weights' contribution"
    exec(cause.fix, {"model": model, "nn": nn})
    assert judged(model).causes == ()


def test_four_units_in_five_are_a_warning() -> None:
    model = shut(mlp(), 2, share=0.8)
    found = finding(judged(model), "IH204")
    assert found.severity == Severity.WARNING
    assert found.measured == pytest.approx(0.8, abs=0.01)
    assert fixed(model, "IH204").causes == ()


def test_weights_opposed_to_the_input_are_redrawn() -> None:
    model = mlp()
    model[2].weight.data.abs_().neg_()  # its input is positive
    found = next(each for each in judged(model).findings if each.code == "IH204")
    assert found.layers[0] == "2"
    assert found.cause == "no sample gives them a positive input"
    exec(found.fix, {"model": model, "nn": nn})
    assert judged(model).ok


def test_half_of_the_units_may_be_inactive() -> None:
    assert "IH204" not in codes(judged(mlp(30)))
    assert "IH204" not in codes(judged(shut(mlp(), 2, share=0.5)))


def test_filters_are_units_too() -> None:
    model = he(nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU(), nn.Flatten()))
    shut(model.append(nn.Linear(256, 10)), 2)
    assert judged(model, pictures()).causes[0].layers == ("2",)


@pytest.mark.parametrize("activation", [nn.Tanh, nn.GELU, nn.Sigmoid])
def test_smooth_activations_have_no_dead_units(activation: type[nn.Module]) -> None:
    assert "IH204" not in codes(judged(shut(mlp(activation=activation), 2)))


def few_open(share: float, units: int, **more: Any) -> Any:
    layers = stack(fc1=more)
    return recording(layers, measured(layers, fc1={"dead_share": share, "units": units, "dead_samples": 64}))


@pytest.mark.parametrize(
    ("share", "units", "severity"),
    [
        (0.76, 1000, Severity.WARNING),
        (0.74, 1000, None),
        (0.96, 1000, Severity.ERROR),
        (0.98, 16, None),  # 16 units: half of them plus four standard deviations is all of them
        (0.8, 8, None),
        (0.999, 15, None),
        (1.0, 8, Severity.ERROR),  # all of them, however few
        (1.0, 0, None),
    ],
)
def test_small_layers_need_more_of_their_units_dead(share: float, units: int, severity: Severity | None) -> None:
    found = judge(DeadUnits, few_open(share, units))
    assert [each.severity for each in found] == ([severity] if severity else [])


def test_a_limit_is_a_share() -> None:
    (found,) = judge(DeadUnits, few_open(1.0, 4))
    assert found.limit == 1.0
    assert "its 4 units never activate" in found.message
    (found,) = judge(DeadUnits, few_open(1.0, 1))
    assert found.message == "fc1: its only unit never activates in this batch (limit 100%)"


def test_it_is_a_warning_if_a_skip_bypasses_the_layer() -> None:
    (found,) = judge(DeadUnits, few_open(1.0, 64, bypassable=True))
    assert found.severity == Severity.WARNING


def test_a_group_shows_its_smallest_share() -> None:
    layers = stack()
    dead = {"units": 64, "dead_samples": 64}
    of = measured(layers, fc1={"dead_share": 0.97, **dead}, fc2={"dead_share": 1.0, **dead})
    (found,) = judge(DeadUnits, recording(layers, of))
    assert found.message.startswith("fc1, fc2: 97% or more of the units")


def biased(rms: float, level: float = 1.0) -> Any:
    bias = {"name": "fc1.bias", "shape": (96,), "fan_in": None, "mean": -rms, "rms": rms, "abs_max": rms}
    known = {"trainable": True, "zero_share": 0.0, "non_finite": 0, "constant": True}
    layers = stack(fc1={"bias": {**known, **bias}})
    dead = {"dead_share": 1.0, "units": 64, "dead_samples": 64, "input": signal(level).model_dump()}
    return recording(layers, measured(layers, fc1=dead))


def by_bias(rms: float, level: float = 1.0, **options: Any) -> bool:
    (found,) = judge(DeadUnits, biased(rms, level), **options)
    return found.cause.startswith("bias of mean")


def test_a_bias_is_the_cause_if_it_outweighs_the_weights() -> None:
    assert by_bias(20.0)
    assert not by_bias(2.0)
    assert not by_bias(20.0, level=10.0)


def test_options() -> None:
    model = shut(mlp(), 2, share=0.8)
    assert "IH204" not in codes(judged(model, **with_options("dead-units", max_share=0.9)))
    assert finding(judged(model, **with_options("dead-units", error_share=0.78)), "IH204").severity == Severity.ERROR
    assert judge(DeadUnits, few_open(0.97, 64), min_units=65) == []
    assert by_bias(2.0, max_bias_rms=1.0, bias_dominance=1.0)
    assert not by_bias(20.0, max_bias_rms=30.0)
    assert not by_bias(20.0, bias_dominance=50.0)


def test_units_of_an_unmeasured_layer_are_not_judged() -> None:
    assert judge(DeadUnits, recording()) == []


def test_a_few_units_of_a_bypassed_layer_can_be_inactive_by_chance() -> None:
    """All four units of a squeeze are inactive in one of sixteen networks, if its input is similar for all samples."""
    assert judge(DeadUnits, few_open(1.0, 4, bypassable=True)) == []
    assert len(judge(DeadUnits, few_open(1.0, 8, bypassable=True))) == 1
    assert len(judge(DeadUnits, few_open(1.0, 4))) == 1


DYING = {
    "relu": nn.ReLU(),
    "relu6": nn.ReLU6(),
    "clamp": nn.Hardtanh(0, 6),
    "threshold": nn.Threshold(0.1, 0.0),
    "hardtanh": nn.Hardtanh(),
    "wide hardtanh": nn.Hardtanh(-2, 2),
    "hardsigmoid": nn.Hardsigmoid(),
    "hardswish": nn.Hardswish(),
    "softshrink": nn.Softshrink(),
    "hardshrink": nn.Hardshrink(),
    "leaky": nn.LeakyReLU(0.0),
}


@pytest.mark.parametrize("name", DYING)
def test_units_can_die_with_every_activation_that_has_a_flat_side(name: str) -> None:
    model = nn.Sequential(nn.Linear(32, 64), DYING[name], nn.Linear(64, 10))
    with torch.no_grad():
        if "shrink" in name:  # its flat range is in the middle
            model[0].weight[:62] *= 0.05
            model[0].bias.zero_()
        else:
            model[0].bias[:62] = -40.0
    assert finding(judged(model), "IH204").layers == ("0",)


@pytest.mark.parametrize("name", ["relu6", "hardtanh", "hardsigmoid", "hardswish"])
def test_units_can_die_at_the_upper_end(name: str) -> None:
    model = nn.Sequential(nn.Linear(32, 64), DYING[name], nn.Linear(64, 10))
    with torch.no_grad():
        model[0].bias[:62] = 40.0
    assert ("IH204" in codes(judged(model))) is (name != "hardswish")  # which is linear above 3


@pytest.mark.parametrize("name", ["relu6", "hardtanh", "hardsigmoid", "hardswish", "threshold"])
def test_a_healthy_network_with_a_flat_activation_has_no_finding(name: str) -> None:
    blocks = [each for _ in range(3) for each in (nn.Linear(32, 32), nn.LayerNorm(32), DYING[name])]
    assert "IH204" not in codes(judged(nn.Sequential(*blocks, nn.Linear(32, 10))))
    assert "IH204" not in codes(judged(nn.Sequential(nn.Linear(32, 64), DYING[name], nn.Linear(64, 10))))


@pytest.mark.parametrize("activation", [nn.LeakyReLU(-0.5), nn.LeakyReLU(1.0), nn.LeakyReLU(0.3)])
def test_a_leaky_relu_with_a_slope_has_no_dead_units(activation: nn.Module) -> None:
    model = nn.Sequential(nn.Linear(32, 64), activation, nn.Linear(64, 10))
    with torch.no_grad():
        model[0].bias[:62] = -40.0
    assert "IH204" not in codes(judged(model))


TEXTS = [
    ("relu", (), 0.0, "never activate", "a positive input"),
    ("hardswish", (), 0.0, "never activate", "an input above -3"),
    ("threshold", (0.1,), 0.0, "never activate", "an input above 0.1"),
    ("softshrink", (), 0.0, "never activate", "an input beyond ±0.5"),
    ("hardshrink", (0.2,), 0.0, "never activate", "an input beyond ±0.2"),
    ("relu6", (), 1.0, "stay at the maximum", "an input below 6"),
    ("relu6", (), 0.5, "never activate or stay at the maximum", "an input between 0 and 6"),
    ("hardtanh", (), 0.0, "stay at the minimum", "an input above -1"),
    ("hardtanh", (0.0, 2.0), 0.0, "never activate", "a positive input"),
    ("hardtanh", (-2.0, 2.0), 0.5, "stay at the minimum or stay at the maximum", "an input between -2 and 2"),
    ("hardsigmoid", (), 1.0, "stay at the maximum", "an input below 3"),
    ("clamp_min", (0.5,), 0.0, "stay at the minimum", "an input above 0.5"),
    ("clamp_max", (1.0,), 1.0, "stay at the maximum", "an input below 1"),
    ("unheard of", (), 0.0, "never activate", "a positive input"),
]


@pytest.mark.parametrize(("name", "parameters", "pinned", "behavior", "why"), TEXTS)
def test_the_message_names_the_flat_side(
    name: str, parameters: tuple[float, ...], pinned: float, behavior: str, why: str
) -> None:
    layers = stack(fc1={"activation": name, "activation_parameters": parameters})
    dead = {"dead_share": 1.0, "pinned_share": pinned, "units": 64, "dead_samples": 64}
    (found,) = judge(DeadUnits, recording(layers, measured(layers, fc1=dead)))
    assert found.message == f"fc1: 100% of its 64 units {behavior} in this batch (limit 75%)"
    assert found.cause == f"no sample gives them {why}"


def scorer(bias: float, sign: float = 1.0, *, level: float = 0.0, last: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """A ReLU after the last layer, whose inputs are all positive."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 1), last())
    with torch.no_grad():
        model[2].weight.copy_(sign * model[2].weight.abs())
        model[2].bias.fill_(bias)
        model[0].bias.fill_(level)  # what the output unit reads is alike for all samples if it is large
    return model


def clicks(output: torch.Tensor) -> torch.Tensor:
    return nn.functional.mse_loss(output, torch.ones_like(output))


def test_an_output_that_its_bias_closes_opens_with_a_bias_of_zero() -> None:
    """facebookresearch/dlrm#358: a bias of -10, or of -2, before the ReLU that is the model's output."""
    for bias in (-10.0, -4.0):
        model = scorer(bias)
        found = finding(judged(model, loss=clicks), "IH204")
        assert found.severity == Severity.ERROR
        assert found.message == "layer 2: its only unit, the model's output, never activates in this batch (limit 100%)"
        assert found.cause.startswith(f"bias of mean {bias:g} outweighs")
        assert found.cause.endswith("a relu at the model's output stops every gradient while it is closed")
        first, code = found.fix.splitlines()
        assert first == "# better: remove the relu after layer 2, or replace it with softplus"
        assert code == "nn.init.zeros_(model[2].bias)"
        assert "IH204" not in codes(fixed(model, "IH204", loss=clicks))


def test_an_output_that_stays_closed_without_its_bias_is_not_drawn_again() -> None:
    """About every other weight would leave it closed."""
    found = finding(judged(scorer(-0.1, -1.0, level=5.0), loss=clicks), "IH204")
    assert not found.cause.startswith("bias")
    assert found.fix.startswith("remove the relu after layer 2, or replace it with softplus: with a new weight, ")
    assert found.fix.endswith("% of such units start closed again")
    assert "IH204" not in codes(judged(scorer(-0.1, -1.0, level=5.0, last=nn.Softplus), loss=clicks))
    assert "IH204" not in codes(judged(scorer(-0.1, -1.0, level=5.0, last=nn.Identity), loss=clicks))


def test_open_outputs_and_hinges_are_silent() -> None:
    assert "IH204" not in codes(judged(scorer(0.0), loss=clicks))
    model = scorer(0.0, last=nn.Identity)
    assert "IH204" not in codes(judged(model, loss=lambda output: nn.functional.relu(100.0 - output).mean()))


@pytest.mark.parametrize("norm", [nn.BatchNorm1d, nn.LayerNorm])
def test_the_bias_of_a_normalization_is_named_and_zeroed(norm: type[nn.Module]) -> None:
    torch.manual_seed(0)
    model = he(nn.Sequential(nn.Linear(32, 64), norm(64), nn.ReLU(), nn.Linear(64, 10)))
    nn.init.constant_(model[1].bias, -6.0)
    found = finding(judged(model), "IH204")
    assert (found.layers, found.fix) == (("0", "1"), "nn.init.zeros_(model[1].bias)")
    assert found.cause == "bias of mean -6 outweighs the weights' contribution"
    assert fixed(model, "IH204").ok


def test_a_bias_is_not_the_cause_if_the_units_stay_dead_without_it() -> None:
    layers = biased(20.0)
    closed = {"dead_share": 1.0, "units": 64, "dead_without_bias": 0.9, "dead_redrawn": 0.5}
    of = measured(layers.layers, fc1=closed)
    (found,) = judge(DeadUnits, recording(layers.layers, of))
    assert found.cause == "no sample gives them a positive input"
    assert found.fix == (
        'nn.init.kaiming_normal_(model.fc1.weight, nonlinearity="relu")\nnn.init.zeros_(model.fc1.bias)'
    )


def test_weights_that_are_far_too_small_are_the_cause_and_not_a_usual_bias() -> None:
    model = mlp()
    with torch.no_grad():
        model[2].weight.mul_(1e-3)
        model[2].bias.fill_(-0.5)
    found = next(each for each in judged(model).findings if each.code == "IH204")
    assert not found.cause.startswith("bias")
    assert "kaiming_normal_(model[2].weight" in found.fix


@pytest.mark.parametrize(
    ("reads", "advice"),
    [(signal(0.0, abs_max=0.0), "look upstream of fc1: its input is zero for every sample"), (signal(), "center the")],
)
def test_where_no_weight_opens_the_units_there_is_advice(reads: Any, advice: str) -> None:
    layers = stack()
    closed = {"dead_share": 1.0, "units": 64, "dead_without_bias": 1.0, "dead_redrawn": 1.0}
    of = measured(layers, fc1={**closed, "input": reads.model_dump()})
    (found,) = judge(DeadUnits, recording(layers, of))
    assert found.fix.startswith(advice)


class Products(nn.Module):
    """Units that are a factor of two products."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second, self.third = (nn.Linear(32, 64) for _ in range(3))
        self.head = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        units = nn.functional.relu(self.first(x))
        return self.head(units * self.second(x) + units * self.third(x))


def test_a_product_is_no_way_around_dead_units() -> None:
    model = Products()
    nn.init.constant_(model.first.bias, -20.0)
    found = finding(judged(model), "IH204")
    assert (found.severity, found.layers) == (Severity.ERROR, ("first",))


def test_a_squeeze_that_its_small_bias_closes_is_chance() -> None:
    layers = stack(fc1={"bypassable": True})
    closed = {"dead_share": 1.0, "units": 4, "dead_without_bias": 0.5, "dead_redrawn": 0.5}
    assert judge(DeadUnits, recording(layers, measured(layers, fc1=closed))) == []

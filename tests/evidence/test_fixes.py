"""Fixes are code that compiles, runs and has the expected effect."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from inithealth.evidence import fixes
from inithealth.recording import Layer
from tests.rules.recordings import layer, stack


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("", "model"),
        ("fc", "model.fc"),
        ("0", "model[0]"),
        ("layers.3.fc.weight", "model.layers[3].fc.weight"),
        ("a.0.1.2", "model.a[0][1][2]"),
        ("layer3.conv2", "model.layer3.conv2"),
        ("heads.class", "getattr(model.heads, 'class')"),
        ("a-b.0.weight", "getattr(model, 'a-b')[0].weight"),
        ("a\nb", "getattr(model, 'a\\nb')"),
        ("i.weight", "model.i.weight"),
    ],
)
def test_names_are_converted_to_code(name: str, written: str) -> None:
    assert fixes.code(name) == written
    compile(written, "fix", "eval")


def named(name: str, **more: Any) -> Layer:
    return layer(name, more.pop("index", 0), **more)


@pytest.mark.parametrize(
    ("place", "fix"),
    [
        ({}, 'nn.init.kaiming_normal_(model.fc.weight, nonlinearity="relu")'),
        ({"activation": "leaky_relu"}, 'nn.init.kaiming_normal_(model.fc.weight, nonlinearity="leaky_relu")'),
        ({"activation": "relu6"}, 'nn.init.kaiming_normal_(model.fc.weight, nonlinearity="relu")'),
        ({"activation": "threshold"}, 'nn.init.kaiming_normal_(model.fc.weight, nonlinearity="relu")'),
        (
            {"activation": "leaky_relu", "activation_parameters": (0.5,)},
            "nn.init.normal_(model.fc.weight, std=0.129)",
        ),
        ({"activation": "elu", "activation_parameters": (0.5,)}, "nn.init.normal_(model.fc.weight, std=0.139)"),
        ({"activation": "selu"}, 'nn.init.kaiming_normal_(model.fc.weight, nonlinearity="linear")'),
        ({"activation": "tanh"}, 'nn.init.xavier_uniform_(model.fc.weight, gain=nn.init.calculate_gain("tanh"))'),
        ({"activation": "gelu"}, "nn.init.normal_(model.fc.weight, std=0.157)"),
        ({"activation": None}, "nn.init.xavier_uniform_(model.fc.weight)"),
        ({"activation": "softmax"}, "nn.init.xavier_uniform_(model.fc.weight)"),
        ({"kind": "embedding"}, "nn.init.normal_(model.fc.weight, std=0.02)"),
        ({"kind": "norm", "weight": {"shape": (96,), "fan_in": None}}, "nn.init.ones_(model.fc.weight)"),
        ({"kind": "scale", "weight": {"shape": (1,), "fan_in": None}}, "nn.init.ones_(model.fc.weight)"),
        ({"weight": {"shape": (96, 32), "fan_in": 96}}, "nn.init.normal_(model.fc.weight, std=0.144)"),
        (
            {"weight": {"shape": (96, 32), "fan_in": None}, "activation": None},
            "nn.init.xavier_uniform_(model.fc.weight)",
        ),
    ],
)
def test_a_layer_is_initialized_for_its_activation(place: dict[str, Any], fix: str) -> None:
    assert fixes.each([named("fc", **place)]) == fix


@pytest.mark.parametrize(
    ("place", "expected", "fix"),
    [
        ({}, 0.02, "nn.init.normal_(model.fc.weight, std=0.02)"),
        ({}, 0.13, 'nn.init.kaiming_normal_(model.fc.weight, nonlinearity="relu")'),  # He's is 0.144
        ({"activation": None}, 0.1, "nn.init.xavier_uniform_(model.fc.weight)"),
        ({"activation": None, "weight": {"fan_out": 960}}, 0.1, "nn.init.normal_(model.fc.weight, std=0.1)"),
        ({"activation": None, "weight": {"fan_in": None}}, 0.1, "nn.init.normal_(model.fc.weight, std=0.1)"),
        ({"kind": "norm", "weight": {"shape": (96,)}}, 1.05, "nn.init.ones_(model.fc.weight)"),
        ({"kind": "norm", "weight": {"shape": (96,)}}, 4.899, "nn.init.constant_(model.fc.weight, 4.9)"),
        ({"kind": "rnn", "activation": None, "weight": {"name": "fc.weight_hh"}}, 0.1, "nn.init.orthogonal_(model.fc."),
        ({"kind": "rnn", "activation": None, "weight": {"name": "fc.weight_hh"}}, 0.01, "nn.init.normal_(model.fc."),
    ],
)
def test_a_layer_is_initialized_as_its_peers(place: dict[str, Any], expected: float, fix: str) -> None:
    """By its common initialization, if the weights then have the same size."""
    changed = {**place, "weight": {key: value for key, value in place.get("weight", {}).items() if key != "name"}}
    of = named("fc", **changed)
    if of.weight is not None and "name" in place.get("weight", {}):
        of = of.model_copy(update={"weight": of.weight.model_copy(update={"name": place["weight"]["name"]})})
    assert fixes.each([of], expected={"fc": expected}).startswith(fix)
    assert fixes.each([of], expected={"other": expected}) == fixes.each([of])


def test_recurrent_weights_have_different_initializations() -> None:
    recurrent = {"kind": "rnn", "activation": None}
    hidden = named("lstm.weight_hh_l0", **recurrent, module="lstm")
    assert "orthogonal_" in fixes.each([hidden.model_copy(update={"weight": _renamed(hidden, "lstm.weight_hh_l0")})])
    assert "xavier" in fixes.each([hidden.model_copy(update={"weight": _renamed(hidden, "lstm.weight_ih_l0")})])


def _renamed(place: Layer, name: str) -> Any:
    assert place.weight is not None
    return place.weight.model_copy(update={"name": name})


def each(*names: str, **more: Any) -> list[str]:
    return fixes.each([named(name, index=index, **more) for index, name in enumerate(names)]).splitlines()


def test_layers_that_differ_in_one_number_make_a_loop() -> None:
    he = 'nonlinearity="relu")'
    assert each("0", "2", "4") == [f"for i in range(0, 5, 2): nn.init.kaiming_normal_(model[i].weight, {he}"]
    assert each("h.0.fc", "h.1.fc", "h.2.fc") == [
        f"for i in range(3): nn.init.kaiming_normal_(model.h[i].fc.weight, {he}"
    ]
    assert each("h.4.fc", "h.3.fc", "h.5.fc") == [
        f"for i in range(3, 6): nn.init.kaiming_normal_(model.h[i].fc.weight, {he}"
    ]
    assert each("h.0.fc", "h.1.fc", "h.5.fc") == [
        f"for i in (0, 1, 5): nn.init.kaiming_normal_(model.h[i].fc.weight, {he}"
    ]


def test_other_layers_have_a_line_each() -> None:
    assert len(each("a", "b", "c")) == 3
    assert len(each("0", "2")) == 2
    assert len(each("a.0.b.1", "a.1.b.0", "a.1.b.1")) == 3
    assert len(each("h.0.fc", "h.1.fc", "h.2.fc", "h.0.out", "h.1.out", "h.2.out")) == 2


def test_a_module_called_i_is_not_an_index() -> None:
    assert each("i.0", "i.1", "i.2") == [
        'for i in range(3): nn.init.kaiming_normal_(model.i[i].weight, nonlinearity="relu")'
    ]


def test_a_group_of_several_kinds_has_a_line_for_each() -> None:
    lines = fixes.each(stack(4)).splitlines()
    assert len(lines) == 4
    assert "xavier_uniform_(model.head.weight)" in lines[3]


def test_a_tied_weight_is_initialized_once() -> None:
    embedding = named("embedding", kind="embedding")
    head = named("head", index=1, activation=None).model_copy(update={"weight": embedding.weight})
    assert fixes.each([embedding, head]) == "nn.init.normal_(model.embedding.weight, std=0.02)"


def test_a_factor_scales_the_initialization() -> None:
    assert fixes.each([named("fc")], factor=0.5) == "nn.init.normal_(model.fc.weight, std=0.0722)"


def test_biases_are_set_to_zero() -> None:
    bias = {"name": "fc1.bias", "shape": (96,), "trainable": True, "mean": 0.0, "rms": 1.0, "abs_max": 1.0}
    biased = stack(fc1={"bias": {**bias, "zero_share": 0.0, "non_finite": 0, "constant": False}})
    assert fixes.zero_biases(biased) == "nn.init.zeros_(model.fc1.bias)"
    assert fixes.zero_biases(stack()) == ""


def test_weights_are_scaled() -> None:
    assert fixes.scale([named("fc")], [0.123456]) == "model.fc.weight.data.mul_(0.12)"


def test_layers_without_a_weight_are_ignored() -> None:
    bare = named("fc").model_copy(update={"weight": None})
    assert fixes.each([bare]) == fixes.scale([bare], [0.5]) == ""


def test_freezing_affects_the_module_or_a_single_parameter() -> None:
    assert fixes.freeze([named("fc")]) == "model.fc.requires_grad_(False)"
    alone = named("attention.in_proj_weight", module="attention").model_copy(
        update={"weight": _renamed(named("fc"), "attention.in_proj_weight")}
    )
    assert fixes.freeze([alone]) == "model.attention.in_proj_weight.requires_grad_(False)"
    own = named("prompt", module="").model_copy(update={"weight": _renamed(named("fc"), "prompt")})
    assert fixes.freeze([own]) == "model.prompt.requires_grad_(False)"


def test_the_fix_draws_the_given_std() -> None:
    """The std after running a fix is the target one, for every kind of parametrization."""
    transposed = nn.Parameter(torch.empty(32, 256))
    model = nn.Module()
    model.weight = transposed
    place = named("", weight={"shape": (32, 256), "fan_in": 32, "fan_out": 256}, unit_axis=1)
    place = place.model_copy(update={"weight": _renamed(place, "weight")})
    torch.manual_seed(0)
    exec(fixes.each([place]), {"model": model, "nn": nn})
    assert float(transposed.detach().std()) == pytest.approx((2 / 32) ** 0.5, rel=0.05)


def test_a_parametrized_weight_is_assigned() -> None:
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(96, 96)))
    place = named("0").model_copy(update={"weight": _renamed(named("0"), "0.parametrizations.weight.original1")})
    fix = fixes.each([place])
    assert fix == 'model[0].weight = nn.init.kaiming_normal_(model[0].weight.detach().clone(), nonlinearity="relu")'
    exec(fix, {"model": model, "nn": nn})
    assert float(model[0].weight.detach().std()) == pytest.approx((2 / 96) ** 0.5, rel=0.05)


def test_weights_are_redrawn_at_their_present_std() -> None:
    same = [named(f"h.{number}.fc", weight={"rms": 0.05}) for number in range(3)]
    other = named("out", weight={"rms": 0.2})
    assert fixes.redraw([*same, other]).splitlines() == [
        "for i in range(3): nn.init.normal_(model.h[i].fc.weight, std=0.05)",
        "nn.init.normal_(model.out.weight, std=0.2)",
    ]
    assert fixes.redraw([other], [0.02]) == "nn.init.normal_(model.out.weight, std=0.02)"
    assert fixes.redraw([same[0].model_copy(update={"weight": None})]) == ""


def test_branch_ends_are_divided_by_the_square_root_of_the_branches() -> None:
    ends = [named(f"h.{number}.leave", index=number) for number in range(3)]
    loop = "for i in range(3): model.h[i].leave.weight.data"
    assert fixes.by_depth(ends, 6, 3) == f"import math\n{loop} /= math.sqrt(2 * 3)"
    assert fixes.by_depth(ends, 3, 3) == f"import math\n{loop} /= math.sqrt(3)"
    undone = fixes.by_depth(ends[:1], 3, 1, undo=[named("h.0.enter")])
    assert undone.splitlines()[1:] == [
        "model.h[0].leave.weight.data /= math.sqrt(3)",
        "model.h[0].enter.weight.data *= math.sqrt(3)",
    ]
    assert fixes.by_depth([], 3, 0) == ""
    assert fixes.by_depth(ends[:1], 1, 1) == fixes.each(ends[:1])


@pytest.mark.parametrize("parametrized", [False, True])
def test_dividing_keeps_the_parameter_object(parametrized: bool) -> None:
    model = nn.Sequential(nn.Linear(96, 96))
    before = model[0].weight.detach().clone()
    place = named("0")
    if parametrized:
        nn.utils.parametrizations.weight_norm(model[0])
        place = place.model_copy(update={"weight": _renamed(place, "0.parametrizations.weight.original1")})
    ours = list(model.parameters())
    exec(fixes.by_depth([place], 6, 3), {"model": model, "nn": nn})
    assert torch.allclose(model[0].weight, before / 6**0.5)
    assert all(one is other for one, other in zip(ours, model.parameters(), strict=True))


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
def test_the_magnitude_of_weight_norm_is_set_too() -> None:
    """The older ``nn.utils.weight_norm`` computes the weight from a direction and a magnitude in every call."""
    model = nn.Sequential(nn.utils.weight_norm(nn.Linear(96, 96)))
    before = model(torch.eye(96)).detach() - model[0].bias.detach()
    place = named("0", type_name="Linear").model_copy(update={"weight": _renamed(named("0"), "0.weight_v")})
    exec(fixes.by_depth([place], 4, 2), {"model": model, "nn": nn})
    assert torch.allclose(model(torch.eye(96)) - model[0].bias, before / 2, atol=1e-6)
    exec(fixes.each([place]), {"model": model, "nn": nn})
    model(torch.eye(96))
    assert float(model[0].weight.detach().std()) == pytest.approx((2 / 96) ** 0.5, rel=0.05)
    exec(fixes.redraw([place], [0.3]), {"model": model, "nn": nn})
    model(torch.eye(96))
    assert float(model[0].weight.detach().std()) == pytest.approx(0.3, rel=0.05)
    own = named("attention.weight_v", type_name="Attention")
    own = own.model_copy(update={"weight": _renamed(own, "attention.weight_v")})
    assert fixes.redraw([own], [0.3]) == "nn.init.normal_(model.attention.weight_v, std=0.3)"


def test_weights_keep_a_usual_scale() -> None:
    own = named("own", weight={"shape": (64, 64), "fan_in": 64, "fan_out": 64, "rms": 0.1})
    large = named("large", weight={"shape": (64, 64), "fan_in": 64, "fan_out": 64, "rms": 1.0})
    assert fixes.with_own_scale([own, large]).splitlines() == [
        "nn.init.normal_(model.own.weight, std=0.1)",
        'nn.init.kaiming_normal_(model.large.weight, nonlinearity="relu")',
    ]


def test_the_ends_of_branches_are_initialized_smaller() -> None:
    shape = {"shape": (64, 64), "fan_in": 64, "fan_out": 64}
    layers = [named("first", weight=shape), named("last", weight=shape, ends_branch=True, activation=None)]
    assert fixes.with_branches(layers, 16).splitlines() == [
        'nn.init.kaiming_normal_(model.first.weight, nonlinearity="relu")',
        "nn.init.normal_(model.last.weight, std=0.0312)",
    ]

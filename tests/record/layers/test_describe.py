"""The layers of a network: names, weights and biases, duplicate units."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from inithealth.record.layers.describe import outlines
from inithealth.record.layers.naming import Naming
from inithealth.recording import Layer
from tests.record.reading import Written, read

X = torch.randn(5, 4, generator=torch.Generator().manual_seed(7))


def parameter(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(shape))


def layers(model: nn.Module, *args: Any) -> dict[str, Layer]:
    return read(model, *args).layers


def test_a_layer_has_the_name_of_its_module() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 2)))
    assert list(layers(model, X)) == ["0", "1.0", "1.1"]


def test_layers_of_a_module_with_several_matrices_have_parameter_names() -> None:
    lstm = Written(lambda net, x: net.cell(x)[0], cell=nn.LSTM(4, 3, batch_first=True))
    assert set(layers(lstm, X[None])) == {"cell.weight_ih_l0", "cell.weight_hh_l0"}
    free = Written(lambda net, x: x @ net.one @ net.two, one=parameter(4, 4), two=parameter(4, 2))
    assert list(layers(free, X)) == ["one", "two"]
    both = nn.ParameterList([parameter(4, 4), parameter(4, 2)])
    listed = Written(lambda net, x: x @ net.all[0] @ net.all[1], all=both)
    assert list(layers(listed, X)) == ["all.0", "all.1"]


def test_layers_are_in_forward_order() -> None:
    model = Written(lambda net, x: net.a(net.c(net.b(x))), a=nn.Linear(4, 4), b=nn.Linear(4, 4), c=nn.Linear(4, 4))
    found = read(model, X).recorder.layers
    assert [layer.name for layer in found] == ["b", "c", "a"]
    assert [layer.index for layer in found] == [0, 1, 2]


def test_an_unused_layer_is_included() -> None:
    model = Written(lambda net, x: net.used(x), used=nn.Linear(4, 2), spare=nn.Linear(4, 3))
    found = layers(model, X)
    assert (found["used"].called, found["used"].reaches_loss) == (True, True)
    assert (found["spare"].called, found["spare"].reaches_loss) == (False, False)
    assert found["spare"].weight is not None
    assert (found["spare"].weight.fan_in, found["spare"].weight.fan_out) == (4, 3)


def test_a_called_layer_with_an_unused_output_does_not_reach_the_loss() -> None:
    def forward(net: Any, x: Tensor) -> Tensor:
        net.dropped(x)
        output: Tensor = net.used(x)
        return output

    found = layers(Written(forward, used=nn.Linear(4, 2), dropped=nn.Linear(4, 3)), X)
    assert (found["dropped"].called, found["dropped"].reaches_loss) == (True, False)


KINDS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "linear": (lambda: nn.Linear(4, 3), (5, 4)),
    "conv": (lambda: nn.Conv2d(4, 3, 2), (5, 4, 6, 6)),
    "norm": (lambda: nn.LayerNorm(4), (5, 4)),
    "bilinear": (lambda: Written(lambda net, x: net.layer(x, x), layer=nn.Bilinear(4, 4, 3)), (5, 4)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_is_known_with_and_without_a_flow(kind: str) -> None:
    build, shape = KINDS[kind]
    model = nn.Sequential(build())
    (with_flow,) = read(model, torch.randn(shape)).recorder.layers
    (outline,) = outlines(Naming(model), None, ())
    without = outline.layer.model_copy(update=outline.use.statistics())
    assert with_flow.kind == without.kind == kind
    assert with_flow.type_name == type(next(m for m in model.modules() if m._parameters)).__name__
    assert with_flow.weight is not None
    assert without.weight is not None
    assert with_flow.weight.shape == without.weight.shape


@pytest.mark.parametrize("bias", [True, False])
def test_the_bias_is_part_of_its_layer(bias: bool) -> None:
    found = layers(nn.Sequential(nn.Linear(4, 3, bias=bias), nn.LayerNorm(3, bias=bias)), X)
    for name in ("0", "1"):
        named = found[name].bias
        assert (named is not None) == bias
        assert named is None or named.name == f"{name}.bias"


def test_a_separately_added_bias_is_part_of_its_layer() -> None:
    found = layers(Written(lambda net, x: x @ net.weight + net.offset, weight=parameter(4, 3), offset=parameter(3)), X)
    assert list(found) == ["weight"]
    assert found["weight"].bias is not None
    assert found["weight"].bias.name == "offset"


def test_a_frozen_layer_is_included_and_marked() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    model[0].weight.requires_grad_(False)
    found = layers(model, X)
    assert {name: layer.weight and layer.weight.trainable for name, layer in found.items()} == {"0": False, "1": True}


def test_weight_norm_factors_are_one_layer_with_the_computed_weight() -> None:
    model = nn.Sequential(parametrizations.weight_norm(nn.Linear(4, 3)), nn.Linear(3, 2))
    with torch.no_grad():
        model[0].parametrizations.weight.original0.mul_(5)
    found = layers(model, X)
    assert list(found) == ["0", "1"]
    weight = found["0"].weight
    assert weight is not None
    assert weight.rms == pytest.approx(float(model[0].weight.detach().square().mean().sqrt()), rel=1e-5)
    assert (weight.fan_in, weight.fan_out) == (4, 3)


def test_a_module_with_two_names_is_one_tied_layer() -> None:
    shared = nn.Linear(4, 4)
    found = layers(nn.Sequential(shared, nn.ReLU(), shared), X)
    assert list(found) == ["0"]
    assert found["0"].weight is not None
    assert found["0"].weight.tied_to == ("2.weight",)


Units = Callable[[Tensor], nn.Module]  # a net of [7, 4] units

WRITTEN: dict[str, Units] = {
    "nn.Linear": lambda w: _linear(w),
    "F.linear": lambda w: Written(lambda net, x: F.linear(x, net.w), w=nn.Parameter(w)),
    "x @ w": lambda w: Written(lambda net, x: x @ net.w, w=nn.Parameter(w.t().contiguous())),
    "x @ w.t()": lambda w: Written(lambda net, x: x @ net.w.t(), w=nn.Parameter(w)),
    "x @ w.T": lambda w: Written(lambda net, x: x @ net.w.T, w=nn.Parameter(w)),
    "w @ x": lambda w: Written(lambda net, x: (net.w @ x.t()).t(), w=nn.Parameter(w)),
    "addmm": lambda w: Written(lambda net, x: torch.addmm(torch.zeros(7), x, net.w), w=nn.Parameter(w.t().clone())),
    "einsum": lambda w: Written(lambda net, x: torch.einsum("bi,oi->bo", x, net.w), w=nn.Parameter(w)),
    "einsum, turned": lambda w: Written(lambda net, x: torch.einsum("bi,io->bo", x, net.w), w=nn.Parameter(w.t())),
    "conv 1 x 1": lambda w: Written(lambda net, x: F.conv1d(x[:, :, None], net.w), w=nn.Parameter(w[:, :, None])),
    "transposed conv": lambda w: Written(
        lambda net, x: F.conv_transpose1d(x[:, :, None], net.w), w=nn.Parameter(w.t()[:, :, None].clone())
    ),
}


def _linear(w: Tensor) -> nn.Module:
    model = nn.Linear(4, 7, bias=False)
    model.weight.data = w
    return model


@pytest.mark.parametrize("name", WRITTEN)
def test_duplicate_and_zero_units_are_found_for_every_way_of_writing(name: str) -> None:
    units = torch.randn(7, 4)
    units[3], units[5], units[6] = units[0], units[0], 0.0
    (layer,) = read(WRITTEN[name](units.clone()), X).recorder.layers
    assert layer.weight is not None
    assert layer.weight.duplicate_rows == pytest.approx(2 / 7)
    assert layer.weight.zero_rows == pytest.approx(1 / 7)
    assert (layer.weight.fan_in, layer.weight.fan_out) == (4, 7)


@pytest.mark.parametrize("name", WRITTEN)
def test_similar_inputs_are_not_duplicate_units(name: str) -> None:
    units = torch.randn(7, 4)
    units[:, 1] = units[:, 0]
    (layer,) = read(WRITTEN[name](units), X).recorder.layers
    assert layer.weight is not None
    assert layer.weight.duplicate_rows == 0


@pytest.mark.parametrize("name", WRITTEN)
def test_repeated_gradients_are_found_for_every_way_of_writing(name: str) -> None:
    units = torch.randn(7, 4)
    units[3] = units[0]
    reading = read(WRITTEN[name](units), X)
    (measured,) = reading.step.layers
    assert measured.gradient_duplicates == pytest.approx(1 / 7)


def test_units_with_different_biases_are_not_duplicates() -> None:
    model = nn.Linear(4, 3)
    nn.init.ones_(model.weight)
    (layer,) = read(model, X).recorder.layers
    assert layer.weight is not None
    assert layer.weight.duplicate_rows == 0
    nn.init.zeros_(model.bias)
    (layer,) = read(model, X).recorder.layers
    assert layer.weight is not None
    assert layer.weight.duplicate_rows == pytest.approx(2 / 3)


@pytest.mark.parametrize(("groups", "share"), [(1, 3 / 4), (2, 2 / 4), (4, 0.0)])
def test_units_of_different_groups_are_not_duplicates(groups: int, share: float) -> None:
    model = nn.Conv2d(4, 4, 3, groups=groups, bias=False)
    nn.init.constant_(model.weight, 0.1)
    (layer,) = read(model, torch.randn(2, 4, 6, 6)).recorder.layers
    assert layer.weight is not None
    assert (layer.groups, layer.weight.duplicate_rows) == (groups, share)


def test_identical_experts_are_not_duplicate_units() -> None:
    alike = nn.Parameter(torch.randn(4, 7).expand(3, 4, 7).clone())
    model = Written(lambda net, x: torch.bmm(x, net.experts), experts=alike)
    (layer,) = read(model, torch.randn(3, 5, 4)).recorder.layers
    assert layer.weight is not None
    assert layer.weight.duplicate_rows == 0


def test_identical_tokens_are_reported_for_an_embedding() -> None:
    model = nn.Embedding(6, 4)
    with torch.no_grad():
        model.weight[3] = model.weight[1]
    (layer,) = read(model, torch.arange(6)).recorder.layers
    assert layer.weight is not None
    assert layer.weight.duplicate_rows == pytest.approx(1 / 6)


def test_a_vector_or_scalar_is_a_scale_if_it_multiplies_and_no_layer_if_it_is_added() -> None:
    model = Written(
        lambda net, x: net.body(x) * net.gain * net.factor + net.token,
        body=nn.Linear(4, 3), gain=parameter(3), factor=parameter(), token=parameter(3),
    )  # fmt: skip
    found = layers(model, X)
    assert {name: layer.kind for name, layer in found.items()} == {"body": "linear", "gain": "scale", "factor": "scale"}

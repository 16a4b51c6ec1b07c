"""The std that each recipe gives a layer, and its likelihood for that layer."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from inithealth.record.statistics.weights import describe
from inithealth.recording import Layer
from inithealth.theory.distributions import Drawn, Kind
from inithealth.theory.recipes import default_bound, recipes, shape_fans
from inithealth.theory.schemes import is_torch_default
from tests.theory.drawn_layers import layer, text

MODULES: list[nn.Module] = [
    nn.Linear(48, 80),
    nn.Conv1d(24, 40, 5),
    nn.Conv2d(32, 64, 3, groups=4),
    nn.Conv2d(64, 64, 3, groups=64),
    nn.ConvTranspose2d(24, 40, 3),
    nn.Bilinear(20, 30, 10),
    nn.LSTM(24, 36),
    nn.LSTM(24, 36, proj_size=12),
    nn.GRU(24, 36),
    nn.RNN(24, 36),
    nn.GRUCell(24, 36),
]


def kinds(module: nn.Module) -> str:
    return "conv" if "Conv" in type(module).__name__ else type(module).__name__.lower()


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_pytorchs_default_is_recognized(module: nn.Module) -> None:
    for seed in range(20):
        torch.manual_seed(seed)
        module.reset_parameters()  # type: ignore[operator]
        for name, parameter in module.named_parameters():
            if parameter.ndim < 2:
                continue
            shown = describe(name, parameter, rows=parameter.detach().flatten(1), fan_in=1, fan_out=1)
            kind = {"linear": "linear", "conv": "conv", "bilinear": "bilinear"}.get(kinds(module), "rnn")
            found = Layer(
                name=name, module="m", kind=kind, type_name=type(module).__name__, index=0, weight=shown, unit_axis=0
            )
            assert text(found) == "PyTorch default"
            assert is_torch_default(found)


def test_t5_also_divides_the_query_by_the_head_size() -> None:
    torch.manual_seed(0)
    query = layer(torch.randn(256, 160) * (160 * 64) ** -0.5, name="q", feeds="attention")
    inner = layer(torch.randn(300, 160) * 160**-0.5, name="wi", activation="relu")
    assert text(query, inner) == "T5 query 1/sqrt(d*64)"
    assert text(query, inner, at=1) == "LeCun normal"


def test_the_readout_recipe_of_a_head_divides_by_its_width() -> None:
    torch.manual_seed(0)
    head = torch.randn(300, 112) / 112
    assert text(layer(head, head=True)) == "muP readout 1/fan_in"
    assert text(layer(head)).startswith("normal 0.00")


def stds(of: Layer, kind: Kind) -> dict[str, float]:
    assert of.weight is not None
    return {each.text: each.std for each in recipes(of, of.weight, Drawn(kind, 0.0, 1.0, 4.0, 30_000, 0.004, 1e-6))}


def test_stds_are_those_of_the_papers() -> None:
    found = stds(layer(torch.randn(300, 112), activation="relu"), "normal")
    assert found["Kaiming normal"] == pytest.approx((2 / 112) ** 0.5)
    assert found["Kaiming normal fan_out"] == pytest.approx((2 / 300) ** 0.5)
    assert found["LeCun normal"] == pytest.approx(112**-0.5)
    assert found["Xavier normal"] == pytest.approx((2 / 412) ** 0.5)
    assert found["Xavier normal gain 1.67"] == pytest.approx(5 / 3 * (2 / 412) ** 0.5)
    assert found["normal 0.02"] == 0.02
    assert "uniform 0.1" not in found
    assert "PyTorch default" not in found


def test_a_uniform_bound_is_the_square_root_of_three_stds() -> None:
    found = stds(layer(torch.randn(300, 112)), "uniform")
    assert found["PyTorch default"] == pytest.approx((3 * 112) ** -0.5)
    assert found["uniform 0.1"] == pytest.approx(0.1 / 3**0.5)
    assert found["Kaiming uniform"] == pytest.approx((2 / 112) ** 0.5)
    assert "normal 0.02" not in found


def test_a_truncated_std_may_be_rescaled() -> None:
    found = stds(layer(torch.randn(300, 112)), "truncated")
    assert found["Kaiming trunc normal cut"] / found["Kaiming trunc normal"] == pytest.approx(0.8796)
    assert found["trunc normal 0.02"] == pytest.approx(0.02 * 0.8796)


def test_fans_of_groups_are_a_separate_recipe() -> None:
    grouped = stds(layer(torch.randn(192, 1, 3, 3), "depthwise"), "normal")
    assert grouped["Kaiming normal fan_out"] == pytest.approx((2 / (192 * 9)) ** 0.5)  # as torch computes it
    assert grouped["Kaiming normal fan_out true fans"] == pytest.approx((2 / 9) ** 0.5)
    assert not any("true fans" in each for each in stds(layer(torch.randn(300, 112)), "normal"))


@pytest.mark.parametrize(
    ("activation", "likeliest"), [("relu", "Kaiming"), ("tanh", "Xavier"), ("selu", "LeCun"), (None, "Xavier")]
)
def test_the_recipe_for_an_activation_is_the_likeliest(activation: str | None, likeliest: str) -> None:
    one = layer(torch.randn(300, 112), activation=activation)
    assert one.weight is not None
    found = recipes(one, one.weight, Drawn("normal", 0.0, 1.0, 4.0, 30_000, 0.004, 1e-6))
    by_fans = [each for each in found if each.name in ("kaiming", "xavier", "lecun")]
    assert min(by_fans, key=lambda each: each.cost).text == f"{likeliest} normal"


@pytest.mark.parametrize(
    ("change", "text"),
    [({"head": True}, "muP readout 1/fan_in"), ({"feeds": "attention"}, "T5 query 1/sqrt(d*64)")],
)
def test_recipes_for_special_layers(change: dict[str, object], text: str) -> None:
    assert text in stds(layer(torch.randn(300, 112), **change), "normal")
    assert text not in stds(layer(torch.randn(300, 112)), "normal")
    assert text not in stds(layer(torch.randn(300, 112), **change), "uniform")


def test_vectors_have_no_fans() -> None:
    vector = Layer(
        name="g", module="g", kind="scale", type_name="Scale", index=0, weight=describe("g", torch.randn(64))
    )
    assert vector.weight is not None
    assert default_bound(vector, vector.weight) is None
    assert {each.name for each in recipes(vector, vector.weight, Drawn("normal", 0, 1, 4, 64, 0.1, 0))} == {"normal"}


def test_the_fans_are_torchs_for_any_groups() -> None:
    for shape in ((300, 112), (40, 16, 3, 3), (8, 4, 5)):
        weight = describe("w", torch.randn(shape))
        assert weight is not None
        assert shape_fans(weight) == nn.init._calculate_fan_in_and_fan_out(torch.empty(shape))

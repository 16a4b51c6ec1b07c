"""Names of initializations: every function of torch.nn.init, PyTorch's own layers, and network-wide schemes."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import init

from inithealth.recording import Layer
from inithealth.theory.schemes import is_torch_default, with_schemes
from tests.record.reading import read
from tests.theory.drawn_layers import PLACES, Draw, drawn, gpt, layer, text

SEEDS = range(20)


FUNCTIONS: list[tuple[str, Draw, str]] = [
    ("zeros", init.zeros_, "zeros"),
    ("ones", init.ones_, "ones"),
    ("constant", lambda w: init.constant_(w, 0.3), "constant 0.3"),
    ("identity", lambda w: init.eye_(w) if w.ndim == 2 else init.dirac_(w), "identity"),
    ("orthogonal", init.orthogonal_, "orthogonal"),
    ("orthogonal gain", lambda w: init.orthogonal_(w, 2**0.5), "orthogonal gain 1.41"),
    ("xavier normal", init.xavier_normal_, "Xavier normal"),
    ("xavier uniform", init.xavier_uniform_, "Xavier uniform"),
    ("xavier gain", lambda w: init.xavier_uniform_(w, 5 / 3), "Xavier uniform gain 1.67"),
    ("kaiming normal", init.kaiming_normal_, "Kaiming normal"),
    ("kaiming uniform", init.kaiming_uniform_, "Kaiming uniform"),
    ("kaiming fan_out", lambda w: init.kaiming_uniform_(w, mode="fan_out"), "Kaiming uniform fan_out"),
    ("lecun", lambda w: init.kaiming_normal_(w, nonlinearity="linear"), "LeCun normal"),
    ("small normal", lambda w: init.normal_(w, std=0.02), "normal 0.02"),
    ("odd normal", lambda w: init.normal_(w, std=0.4), "normal 0.4"),
    ("shifted normal", lambda w: init.normal_(w, 1.0, 0.02), "normal(1, 0.02)"),
    ("absolute cut", lambda w: init.trunc_normal_(w, std=0.02), "normal 0.02"),
    ("cut at two", lambda w: init.trunc_normal_(w, std=0.02, a=-0.04, b=0.04), "trunc normal 0.02"),
    ("cut at two of one", init.trunc_normal_, "trunc normal 1"),
    ("uniform", init.uniform_, "uniform(0, 1)"),
    ("uniform around 0", lambda w: init.uniform_(w, -0.07, 0.07), "uniform 0.07"),
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("draw", "wanted"), [case[1:] for case in FUNCTIONS], ids=[case[0] for case in FUNCTIONS])
def test_every_initialization_of_torch_is_named(draw: Draw, wanted: str, place: str) -> None:
    activation = "tanh" if "Xavier" in wanted else "relu"  # the recipe's usual activation, which decides a tie
    right = sum(text(drawn(draw, place, seed, activation=activation)).startswith(wanted) for seed in SEEDS)
    assert right >= 19


@pytest.mark.parametrize("place", ["linear", "embedding"])
def test_sparse_weights_are_named_with_their_share(place: str) -> None:
    found = [text(drawn(lambda w: init.sparse_(w, 0.6), place, seed)) for seed in SEEDS]
    assert found.count("sparse 60% normal 0.01") >= 19


def test_fan_out_of_a_normal_distribution() -> None:
    for place in ("linear", "transposed"):
        found = [
            text(drawn(lambda w: init.kaiming_normal_(w, mode="fan_out"), place, seed, activation="relu"))
            for seed in SEEDS
        ]
        assert found.count("Kaiming normal fan_out") >= 19


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_precisions_do_not_change_the_name(dtype: torch.dtype) -> None:
    for draw, wanted in ((init.xavier_uniform_, "Xavier uniform"), (init.kaiming_normal_, "Kaiming normal")):
        torch.manual_seed(0)
        assert text(layer(draw(torch.empty(300, 112)).to(dtype), activation="relu")) == wanted
    default = layer(nn.Linear(112, 300).weight.to(dtype))
    assert is_torch_default(default)


@pytest.mark.parametrize("factor", [0.8, 1.2])
@pytest.mark.parametrize("place", ["linear", "transposed", "embedding"])
def test_a_std_that_differs_by_a_fifth_is_reported_as_a_number(factor: float, place: str) -> None:
    for draw in (init.xavier_normal_, init.xavier_uniform_, init.kaiming_normal_, init.kaiming_uniform_):
        for seed in range(5):
            found = drawn(lambda w, draw=draw: draw(w).mul_(factor), place, seed, activation="relu")
            scheme = with_schemes([found])[0].scheme
            assert scheme is not None
            assert scheme.name in ("normal", "uniform")
            assert not is_torch_default(found)


def test_an_unchanged_network_has_the_default_everywhere() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Embedding(50, 64), nn.TransformerEncoderLayer(64, 4, 256, batch_first=True), nn.Linear(64, 10)
    )
    layers = {found.name: found for found in with_schemes(read(model, torch.randint(0, 50, (4, 12))).recorder.layers)}
    texts = {name: found.scheme.text for name, found in layers.items() if found.scheme}
    assert {texts[name] for name in texts if "norm" not in name} == {"PyTorch default"}
    assert {texts[name] for name in texts if "norm" in name} == {"ones"}
    certain = [name for name, found in layers.items() if is_torch_default(found)]
    assert certain == ["1.self_attn.out_proj", "1.linear1", "1.linear2", "2"]  # the others may be chosen explicitly


def test_a_default_that_equals_other_recipes_is_uncertain() -> None:
    torch.manual_seed(0)
    shared = layer(init.xavier_uniform_(torch.empty(320, 64)))  # 6 / (64 + 320) = 1 / 64
    assert not is_torch_default(shared)
    assert not is_torch_default(layer(torch.randn(96, 64) / math.sqrt(3 * 64)))  # the same std, but not uniform
    assert not is_torch_default(layer(nn.Linear(64, 96).weight * 1.02))
    assert not is_torch_default(layer(nn.Linear(4, 4).weight))  # too few elements to decide
    assert not is_torch_default(layer(torch.full((96, 64), math.nan)))
    assert not is_torch_default(layer(torch.ones(96, 64)))


def test_other_layers_decide_between_equal_candidates() -> None:
    """For a square matrix, Xavier, LeCun and Kaiming without a gain are equal."""
    torch.manual_seed(0)
    square = layer(init.xavier_normal_(torch.empty(100, 100)), name="square")
    wide = [torch.empty(300, 112) for _ in range(3)]
    xavier = [layer(init.xavier_normal_(each), name=f"x{place}") for place, each in enumerate(wide)]
    assert text(square, *xavier) == "Xavier normal"
    lecun = [
        layer(init.kaiming_normal_(each, nonlinearity="linear"), name=f"l{place}") for place, each in enumerate(wide)
    ]
    assert text(square, *lecun) == "LeCun normal"


def test_a_small_layer_is_named_like_the_others_or_by_its_std() -> None:
    torch.manual_seed(0)
    small = layer(init.kaiming_normal_(torch.empty(10, 10)), name="small", activation="relu")
    large = layer(init.kaiming_normal_(torch.empty(300, 112)), name="large", activation="relu")
    assert text(small, large) == "Kaiming normal"
    assert text(small).startswith("normal 0.")
    tiny = layer(torch.randn(3, 3), name="tiny")
    assert text(tiny) == "unknown"


def test_padding_and_its_zeros_do_not_change_the_name() -> None:
    torch.manual_seed(0)
    assert text(layer(nn.Embedding(40, 72, padding_idx=0).weight, "embedding")) == "PyTorch default"


def test_layers_without_readable_weights_have_no_scheme() -> None:
    bare = Layer(name="n", module="n", kind="norm", type_name="Norm", index=0)
    broken = layer(torch.full((9, 9), math.nan), name="broken")
    whole = layer(torch.zeros(9, 9), name="whole")
    assert [each.scheme and each.scheme.text for each in with_schemes([bare, broken, whole])] == [None, None, "zeros"]
    assert with_schemes([]) == ()


def test_values_that_differ_only_by_rounding_do_not_affect_other_layers() -> None:
    ones = torch.ones(4, 4)
    ones[0, 0] += 1e-7
    assert text(layer(ones), layer(torch.zeros(9, 9), name="whole"), at=0) == "unknown"
    assert text(layer(ones), layer(torch.zeros(9, 9), name="whole"), at=1) == "zeros"


def test_names_fit_in_a_column_and_layers_keep_their_order() -> None:
    layers = gpt(lambda place: 12**-0.5)
    found = with_schemes(layers)
    assert [each.name for each in found] == [each.name for each in layers]
    assert all(each.scheme and len(each.scheme.text) <= 26 for each in found)
    assert with_schemes(found) == found


def test_kaiming_is_recognized_by_the_slope_of_a_leaky_relu() -> None:
    more = {"activation": "leaky_relu", "feeds": "activation", "activation_parameters": (0.5,)}
    assert text(drawn(lambda w: init.kaiming_normal_(w, a=0.5), "linear", 0, **more)) == "Kaiming normal gain 1.26"

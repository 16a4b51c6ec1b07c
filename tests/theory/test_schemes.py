"""Initializations by name: every function of torch.nn.init, PyTorch's own layers, and what only a network shows."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import init

from inithealth.record.statistics.weights import describe, unit_rows
from inithealth.recording import Layer
from inithealth.theory.schemes import SCHEME_NAMES, is_torch_default, with_schemes
from tests.record.reading import read

Draw = Callable[[Tensor], object]
SEEDS = range(20)

# shape, kind, axis of the units, groups
PLACES: dict[str, tuple[tuple[int, ...], str, int, int]] = {
    "linear": ((300, 112), "linear", 0, 1),
    "conv": ((40, 16, 3, 3), "conv", 0, 1),
    "depthwise": ((192, 1, 3, 3), "conv", 0, 192),
    "transposed": ((40, 24, 4, 4), "conv", 1, 1),
    "embedding": ((500, 72), "embedding", 0, 1),
}


def layer(weight: Tensor, place: str = "linear", name: str = "fc", **more: Any) -> Layer:
    """One layer of a network, in its place."""
    _, kind, axis, groups = PLACES[place]
    rows = unit_rows(weight, axis)
    assert rows is not None
    fan_in, fan_out = rows.shape[1], rows.shape[0] * math.prod(weight.shape[2:]) // groups
    if kind == "embedding":
        fan_in, fan_out = 1, weight.shape[1]
    told = describe(f"{name}.weight", weight, rows=rows, fan_in=fan_in, fan_out=fan_out, groups=groups)
    known = {"kind": kind, "type_name": "Custom", "module": name, "index": 0, "unit_axis": axis, "groups": groups}
    return Layer.model_validate({**known, "name": name, "weight": told, **more})


def text(*layers: Layer, at: int = 0) -> str:
    scheme = with_schemes(layers)[at].scheme
    assert scheme is not None
    assert scheme.name in SCHEME_NAMES
    return scheme.text


def drawn(draw: Draw, place: str, seed: int, **more: Any) -> Layer:
    torch.manual_seed(seed)
    weight = torch.empty(*PLACES[place][0])
    draw(weight)
    return layer(weight, place, **more)


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
    activation = "tanh" if "Xavier" in wanted else "relu"  # what the recipe is for: of a tie that decides
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
def test_a_std_that_is_a_fifth_off_is_given_as_a_number(factor: float, place: str) -> None:
    for draw in (init.xavier_normal_, init.xavier_uniform_, init.kaiming_normal_, init.kaiming_uniform_):
        for seed in range(5):
            found = drawn(lambda w, draw=draw: draw(w).mul_(factor), place, seed, activation="relu")
            scheme = with_schemes([found])[0].scheme
            assert scheme is not None
            assert scheme.name in ("normal", "uniform")
            assert not is_torch_default(found)


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
def test_layers_that_pytorch_has_initialized_are_named_so(module: nn.Module) -> None:
    for seed in SEEDS:
        torch.manual_seed(seed)
        module.reset_parameters()  # type: ignore[operator]
        for name, parameter in module.named_parameters():
            if parameter.ndim < 2:
                continue
            told = describe(name, parameter, rows=parameter.detach().flatten(1), fan_in=1, fan_out=1)
            kind = {"linear": "linear", "conv": "conv", "bilinear": "bilinear"}.get(kinds(module), "rnn")
            found = Layer(
                name=name, module="m", kind=kind, type_name=type(module).__name__, index=0, weight=told, unit_axis=0
            )
            assert text(found) == "PyTorch default"
            assert is_torch_default(found)


def test_an_untouched_network_is_at_the_default_everywhere() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Embedding(50, 64), nn.TransformerEncoderLayer(64, 4, 256, batch_first=True), nn.Linear(64, 10)
    )
    layers = {found.name: found for found in with_schemes(read(model, torch.randint(0, 50, (4, 12))).recorder.layers)}
    texts = {name: found.scheme.text for name, found in layers.items() if found.scheme}
    assert {texts[name] for name in texts if "norm" not in name} == {"PyTorch default"}
    assert {texts[name] for name in texts if "norm" in name} == {"ones"}
    certain = [name for name, found in layers.items() if is_torch_default(found)]
    assert certain == ["1.self_attn.out_proj", "1.linear1", "1.linear2", "2"]  # the others are what people choose too


def test_what_other_recipes_draw_as_well_is_not_surely_the_default() -> None:
    torch.manual_seed(0)
    shared = layer(init.xavier_uniform_(torch.empty(320, 64)))  # 6 / (64 + 320) = 1 / 64
    assert not is_torch_default(shared)
    assert not is_torch_default(layer(torch.randn(96, 64) / math.sqrt(3 * 64)))  # its std, but not uniform
    assert not is_torch_default(layer(nn.Linear(64, 96).weight * 1.02))
    assert not is_torch_default(layer(nn.Linear(4, 4).weight))  # too few elements to tell
    assert not is_torch_default(layer(torch.full((96, 64), math.nan)))
    assert not is_torch_default(layer(torch.ones(96, 64)))


def test_the_other_layers_decide_between_names_that_agree() -> None:
    """Of a square matrix Xavier, LeCun and Kaiming without a gain are the same."""
    torch.manual_seed(0)
    square = layer(init.xavier_normal_(torch.empty(100, 100)), name="square")
    wide = [torch.empty(300, 112) for _ in range(3)]
    xavier = [layer(init.xavier_normal_(each), name=f"x{place}") for place, each in enumerate(wide)]
    assert text(square, *xavier) == "Xavier normal"
    lecun = [
        layer(init.kaiming_normal_(each, nonlinearity="linear"), name=f"l{place}") for place, each in enumerate(wide)
    ]
    assert text(square, *lecun) == "LeCun normal"


def test_a_small_layer_is_called_like_the_others_or_by_its_number() -> None:
    torch.manual_seed(0)
    small = layer(init.kaiming_normal_(torch.empty(10, 10)), name="small", activation="relu")
    large = layer(init.kaiming_normal_(torch.empty(300, 112)), name="large", activation="relu")
    assert text(small, large) == "Kaiming normal"
    assert text(small).startswith("normal 0.")
    tiny = layer(torch.randn(3, 3), name="tiny")
    assert text(tiny) == "unknown"


def gpt(scale: Callable[[int], float], blocks: int = 6, std: float = 0.02, width: int = 64) -> list[Layer]:
    """Two residual branches a block; the last layer of each has its std times ``scale`` (place among them)."""
    torch.manual_seed(0)
    layers = []
    for place in range(2 * blocks):
        inner, end = torch.randn(3 * width, width) * std, torch.randn(width, 3 * width) * std * scale(place)
        layers.append(layer(inner, name=f"h.{place // 2}.{place % 2}.in", feeds="activation", activation="gelu"))
        layers.append(layer(end, name=f"h.{place // 2}.{place % 2}.out", ends_branch=True, bypassable=True))
    return layers


@pytest.mark.parametrize(
    ("scale", "wanted"),
    [
        (lambda place: 12**-0.5, "normal 0.02/sqrt(12)"),
        (lambda place: 6**-0.5, "normal 0.02/sqrt(6)"),
        (lambda place: 1.0, "normal 0.02"),
        (lambda place: (2 * (place // 2 + 1)) ** -0.5, "normal 0.02/sqrt({2})"),
    ],
    ids=["branches", "blocks", "not scaled", "by depth"],
)
def test_branch_ends_over_the_root_of_the_depth(scale: Callable[[int], float], wanted: str) -> None:
    layers = with_schemes(gpt(scale))
    for place, found in enumerate(each for each in layers if each.ends_branch):
        assert found.scheme is not None
        assert found.scheme.text == wanted.format(None, None, 2 * (place // 2 + 1))
        assert found.scheme.name == ("residual_scaled" if "sqrt" in wanted else "normal")
    assert {each.scheme.text for each in layers if each.scheme and not each.ends_branch} == {"normal 0.02"}


def test_a_scaled_recipe_keeps_its_name() -> None:
    torch.manual_seed(0)
    layers = []
    for block in range(8):
        inner, end = (init.kaiming_uniform_(torch.empty(*shape)) for shape in ((300, 112), (112, 300)))
        layers.append(layer(inner, name=f"{block}.in", activation="relu"))
        layers.append(layer(end * 8**-0.5, name=f"{block}.out", ends_branch=True))
    assert text(*layers, at=1) == "Kaiming uniform/sqrt(8)"


def test_deepnorm_scales_xavier_by_the_depth() -> None:
    torch.manual_seed(0)
    layers = []
    for place in range(24):
        weight = init.xavier_normal_(torch.empty(112, 300), gain=(8 * 12) ** -0.25)
        layers.append(layer(weight, name=f"layers.{place // 2}.{place % 2}", ends_branch=True))
    assert text(*layers) == "DeepNorm gain 0.32"


def test_fixup_has_silent_ends_and_scaled_insides() -> None:
    torch.manual_seed(0)
    layers = []
    for block in range(16):
        inner = init.kaiming_normal_(torch.empty(300, 112)) * 16**-0.5
        layers.append(layer(inner, name=f"{block}.in", activation="relu"))
        layers.append(layer(torch.zeros(112, 300), name=f"{block}.out", ends_branch=True))
    assert text(*layers) == "Fixup Kaiming normal"
    assert text(*layers, at=1) == "zeros"


def test_t5_divides_the_query_by_the_head_too() -> None:
    torch.manual_seed(0)
    query = layer(torch.randn(256, 160) * (160 * 64) ** -0.5, name="q", feeds="attention")
    inner = layer(torch.randn(300, 160) * 160**-0.5, name="wi", activation="relu")
    assert text(query, inner) == "T5 query 1/sqrt(d*64)"
    assert text(query, inner, at=1) == "LeCun normal"


def test_the_readout_of_a_head_over_its_width() -> None:
    torch.manual_seed(0)
    head = torch.randn(300, 112) / 112
    assert text(layer(head, head=True)) == "muP readout 1/fan_in"
    assert text(layer(head)).startswith("normal 0.00")


def test_trained_weights_have_directions_that_stand_out() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 96), nn.ReLU(), nn.Linear(96, 16))
    inputs = torch.randn(256, 16) @ torch.randn(16, 64)
    targets = (inputs @ torch.randn(64, 16)).argmax(1)
    layers = with_schemes(read(model, inputs).recorder.layers)
    assert {each.scheme.text for each in layers if each.scheme} == {"PyTorch default"}
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(80):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs), targets).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    body = with_schemes(read(model, inputs).recorder.layers)[:2]  # the head changes less
    assert [each.scheme.text for each in body if each.scheme] == ["trained", "trained"]


def test_repeated_units_are_no_sign_of_training() -> None:
    torch.manual_seed(0)
    rows = torch.randn(25, 112).repeat(4, 1)
    assert text(layer(rows)) != "trained"
    assert text(layer(torch.randn(1, 112) + 0.3 * torch.randn(100, 112))) != "trained"


def test_a_table_of_sines_is_named() -> None:
    angles = torch.arange(200.0)[:, None] / 10000 ** (torch.arange(0, 64, 2) / 64)
    table = torch.stack([angles.sin(), angles.cos()], 2).flatten(1)
    assert text(layer(table, "embedding")) == "sinusoidal"


def test_padding_and_its_zeros_do_not_change_the_name() -> None:
    torch.manual_seed(0)
    assert text(layer(nn.Embedding(40, 72, padding_idx=0).weight, "embedding")) == "PyTorch default"


def test_layers_without_readable_weights_have_no_scheme() -> None:
    bare = Layer(name="n", module="n", kind="norm", type_name="Norm", index=0)
    broken = layer(torch.full((9, 9), math.nan), name="broken")
    whole = layer(torch.zeros(9, 9), name="whole")
    assert [each.scheme and each.scheme.text for each in with_schemes([bare, broken, whole])] == [None, None, "zeros"]
    assert with_schemes([]) == ()


def test_values_that_differ_by_rounding_alone_keep_no_other_layer_from_its_name() -> None:
    ones = torch.ones(4, 4)
    ones[0, 0] += 1e-7
    assert text(layer(ones), layer(torch.zeros(9, 9), name="whole"), at=0) == "unknown"
    assert text(layer(ones), layer(torch.zeros(9, 9), name="whole"), at=1) == "zeros"


def test_texts_fit_a_column_and_layers_keep_their_order() -> None:
    layers = gpt(lambda place: 12**-0.5)
    found = with_schemes(layers)
    assert [each.name for each in found] == [each.name for each in layers]
    assert all(each.scheme and len(each.scheme.text) <= 26 for each in found)
    assert with_schemes(found) == found


def test_kaiming_is_known_by_the_slope_of_a_leaky_relu() -> None:
    more = {"activation": "leaky_relu", "feeds": "activation", "activation_parameters": (0.5,)}
    assert text(drawn(lambda w: init.kaiming_normal_(w, a=0.5), "linear", 0, **more)) == "Kaiming normal gain 1.26"

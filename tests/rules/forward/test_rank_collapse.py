"""IH207: outputs that lie on a line, because of the weights or of depth; intentional cases are not reported."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn

from inithealth import Finding, Severity
from inithealth.recording import Recording
from inithealth.rules.forward.rank_collapse import RankCollapse
from inithealth.rules.weights.constant_weights import ConstantWeights
from tests.rules.folding import explains, found_by
from tests.rules.nets import CLASSES, FEATURES, codes, finding, fixed, judged, mlp, typed, vectors
from tests.rules.recordings import judge, measured, recording, signal, stack


def deep(hidden: int, activation: type[nn.Module], gain: float, width: int = 32) -> nn.Sequential:
    model = mlp(hidden, activation, width)
    torch.manual_seed(0)
    for each in model[::2]:
        nn.init.normal_(each.weight, std=gain * each.in_features**-0.5)
    return model


def of_rank_one(weight: torch.Tensor) -> None:
    rows, columns = weight.shape
    product = torch.randn(rows, 1) @ torch.randn(1, columns)
    with torch.no_grad():
        weight.copy_(product * weight.square().mean().sqrt() / product.square().mean().sqrt())


def used(directions: Sequence[float], **more: Any) -> Recording:
    """Return a stack whose layers have these effective ranks, at most 47; the last layer is the head."""
    changes = {f"fc{place}": more.pop(f"fc{place}", {}) for place in range(len(directions) - 1)}
    layers = stack(len(directions), **changes)
    names = [each.name for each in layers]
    numbers = {name: {"effective": d, "width": 47} for name, d in zip(names, directions, strict=True)}
    return recording(layers, measured(layers, **numbers), **more)


FADED = [20.0, 12.0, 6.0, 3.0, 1.5, *[1.05] * 24, 1.01, 1.01]


def only(of: Recording, **options: Any) -> Finding:
    (found,) = judge(RankCollapse, of, **options)
    return found


def test_weights_of_rank_one_are_found_and_fixed() -> None:
    model = mlp()
    of_rank_one(model[4].weight)
    found = finding(judged(model), "IH207")
    assert (found.layers, found.severity) == (("4",), Severity.WARNING)
    assert found.measured == pytest.approx(1.0, abs=0.01)
    assert "of rank one" in found.cause
    fixed(model, "IH207")


def test_depth_reduces_the_signal_to_one_direction() -> None:
    model = deep(80, nn.ReLU, math.sqrt(2))
    found = finding(judged(model), "IH207")
    assert found.layers[0] == "158"
    assert "no skip connection in 80 layers" in found.cause
    assert "layer 0 has 16" in found.message


def test_orthogonal_weights_preserve_directions_through_tanh() -> None:
    model = deep(120, nn.Tanh, 1.0)
    typed(finding(judged(model), "IH207"), model)
    assert "IH207" not in codes(judged(model))


@pytest.mark.parametrize("hidden", [2, 10, 40])
@pytest.mark.parametrize(("activation", "gain"), [(nn.ReLU, math.sqrt(2)), (nn.Tanh, 1.0), (nn.SELU, 1.0)])
def test_healthy_stacks_have_no_finding(hidden: int, activation: type[nn.Module], gain: float) -> None:
    assert "IH207" not in codes(judged(deep(hidden, activation, gain, width=96)))


def bottleneck() -> nn.Module:
    return nn.Sequential(
        nn.Linear(FEATURES, 64), nn.ReLU(), nn.Linear(64, 1), nn.Linear(1, 64), nn.ReLU(), nn.Linear(64, CLASSES)
    )


def normalized() -> nn.Module:
    torch.manual_seed(0)
    widths = [FEATURES, *[32] * 60]
    parts = [
        part
        for reads, gives in pairwise(widths)
        for part in (nn.Linear(reads, gives), nn.BatchNorm1d(gives), nn.ReLU())
    ]
    return nn.Sequential(*parts, nn.Linear(32, CLASSES))


def narrow() -> nn.Module:
    return nn.Sequential(nn.Linear(FEATURES, 4), nn.Tanh(), nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, CLASSES))


@pytest.mark.parametrize("build", [bottleneck, normalized, narrow])
def test_intentional_designs_have_no_finding(build: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    assert "IH207" not in codes(judged(build()))


def test_a_one_dimensional_input_is_not_a_collapse() -> None:
    line = torch.linspace(-1, 1, 64)[:, None] * torch.ones(FEATURES)
    assert "IH207" not in codes(judged(mlp(6), line))
    wide = vectors() * torch.tensor([300.0] + [1.0] * (FEATURES - 1))  # one feature that dominates the others
    assert "IH207" not in codes(judged(mlp(6), wide))


def test_a_signal_that_collapses_gradually() -> None:
    found = only(used(FADED))
    assert found.layers == tuple(f"fc{place}" for place in reversed(range(30)))
    assert (found.measured, found.limit, found.severity) == (1.01, 1.1, Severity.WARNING)
    assert "normalization" in found.fix


def test_with_adam_it_is_info() -> None:
    assert only(used(FADED, adaptive=True)).severity is Severity.INFO


LINE = [1.01] * 30


@pytest.mark.parametrize(
    ("why", "directions"),
    [
        ("the head sees more by another way", [*FADED[:-1], 4.0]),
        ("another input, of one dimension", [20.0, 18.0, *LINE]),
        ("the data had no more", [3.0, 2.0, 1.3, *LINE]),
        ("outputs that do not differ are no line", [20.0, 8.0, 3.0, *[0.0] * 30]),
        ("40 layers of ReLU do that, and train", [20.0, 8.0, 3.0, *[1.3] * 30]),
        ("few layers on a line can be trained", [20.0, 8.0, 3.0, *LINE[:15]]),
    ],
)
def test_other_signals_do_not_collapse_gradually(why: str, directions: list[float]) -> None:
    assert judge(RankCollapse, used(directions)) == [], why


def test_bypassed_layers_do_not_count() -> None:
    around = {f"fc{place}": {"bypassable": True} for place in range(4, 30)}
    assert judge(RankCollapse, used(FADED, **around)) == []


FLAT = {
    "rank one": {"spectral_edge": 96 / (2 * 96**0.5)},
    "alike": {"row_cosine": 0.99},
    "constant": {"constant": True},
    "copies": {"duplicate_rows": 95 / 96},
}


@pytest.mark.parametrize("weight", FLAT.values(), ids=FLAT)
def test_every_weight_of_rank_one_is_found(weight: dict[str, Any]) -> None:
    directions = [20.0, 1.0, 1.2, 1.3, 1.3]
    assert only(used(directions, fc1={"weight": weight})).layers == ("fc1",)
    assert judge(RankCollapse, used([20.0, 15.0, 12.0, 9.0, 6.0], fc1={"weight": weight})) == []
    small = {**weight, "fan_out": 4}
    assert judge(RankCollapse, used(directions, fc1={"weight": small})) == []


def test_options() -> None:
    slow = [20.0, 12.0, 6.0, 3.0, 1.5, *[1.15] * 30]
    assert judge(RankCollapse, used(slow)) == []
    assert only(used(slow), max_directions=1.2)
    assert judge(RankCollapse, used(FADED), min_layers=26) == []
    assert judge(RankCollapse, used(FADED), min_before=25.0) == []
    assert judge(RankCollapse, used(FADED), max_fall=1.5) == []
    assert judge(RankCollapse, used(FADED), min_width=100) == []
    partly = {"spectral_edge": 0.8 * 96 / (2 * 96**0.5)}
    directions = [20.0, 1.0, 1.2, 1.3, 1.3]
    assert judge(RankCollapse, used(directions, fc1={"weight": partly})) == []
    assert only(used(directions, fc1={"weight": partly}), min_share=0.6)


ONE_LINE = {"weight": FLAT["alike"]}


@pytest.mark.parametrize(
    ("effective", "width", "found"),
    [(1.1, 47, 0), (1.09, 47, 1), (1.0, 7, 1), (1.0, 6, 0), (0.0, 47, 0), (None, 47, 0)],
)
def test_when_outputs_lie_on_a_line(effective: float | None, width: int, found: int) -> None:
    layers = stack(3, fc1=ONE_LINE)
    of = recording(layers, measured(layers, fc1={"effective": effective, "width": width}))
    result = judge(RankCollapse, of)
    assert [(each.measured, each.limit, each.severity) for each in result] == [
        (effective, 1.1, Severity.WARNING)
    ] * found


@pytest.mark.parametrize("special", [{"head": True}, {"reaches_loss": False}, {"kind": "embedding"}])
def test_which_layers_are_not_judged(special: dict[str, Any]) -> None:
    assert judge(RankCollapse, used([20.0, 1.0, 1.0], fc1={**ONE_LINE, **special})) == []


@pytest.mark.parametrize(
    ("weight", "found"),
    [
        ({"row_cosine": 0.9}, 0),
        ({"row_cosine": 0.91}, 1),
        ({"row_cosine": -0.91}, 1),
        ({"duplicate_rows": 94 / 96}, 0),
        ({"spectral_edge": 0.94 * 96 / (2 * 96**0.5)}, 0),
        ({"spectral_edge": 0.95 * 96 / (2 * 96**0.5)}, 1),
        ({"spectral_edge": 0.95 * (24 * 96) ** 0.5 / (24**0.5 + 96**0.5), "fan_in": 24}, 1),
        ({"spectral_edge": 0.94 * (24 * 96) ** 0.5 / (24**0.5 + 96**0.5), "fan_in": 24}, 0),
        ({"row_cosine": 0.99, "fan_in": 8}, 1),
        ({"row_cosine": 0.99, "fan_in": 7}, 0),
        ({"row_cosine": 0.99, "fan_out": 8}, 1),
        ({"row_cosine": 0.99, "fan_out": 7}, 0),
        ({"row_cosine": 0.99, "fan_in": None}, 0),
        ({"row_cosine": 0.99, "fan_out": None}, 0),
    ],
)
def test_when_a_weight_has_rank_one(weight: dict[str, Any], found: int) -> None:
    assert len(judge(RankCollapse, used([20.0, 1.0, 1.2], fc1={"weight": weight}))) == found


def test_the_first_layer_with_one_direction_is_measured() -> None:
    found = only(used([20.0, 1.0, 1.05, 9.0], fc1=ONE_LINE, fc2=ONE_LINE))
    assert (found.layers, found.measured) == (("fc1", "fc2"), 1.0)
    assert "fc1" in found.cause
    assert "fc2" not in found.cause
    assert "47" in found.message


def fading(*first: float, on_a_line: int = 27, head: float = 1.0) -> Recording:
    """Return effective ranks of the first layers, of many layers with one direction, and of the head."""
    return used([*first, *[1.0] * on_a_line, head])


@pytest.mark.parametrize(
    ("of", "found"),
    [
        (fading(16.0, 4.0, 2.0), 1),  # a decrease to a quarter
        (fading(16.1, 4.0, 2.0), 0),
        (fading(4.0, 2.0), 1),
        (fading(3.9, 2.0), 0),  # the rank of the data
        (fading(4.0, 2.0, on_a_line=25), 1),
        (fading(4.0, 2.0, on_a_line=24), 0),
        (fading(4.0, 2.0, head=1.2), 1),
        (fading(4.0, 2.0, head=1.21), 0),
        (fading(2.0, 4.0, 2.0), 1),  # it decreases from the maximum
        (fading(4.0, 1.0, 2.0), 1),
        (fading(4.0, 1.0, 4.1), 0),  # another signal was added
    ],
)
def test_how_a_signal_collapses(of: Recording, found: int) -> None:
    assert len(judge(RankCollapse, of)) == found


def test_the_collapse_starts_at_the_maximum() -> None:
    found = only(fading(2.0, 4.0, 2.0))
    assert (found.layers[0], found.layers[-1], len(found.layers)) == ("fc29", "fc1", 29)
    assert "29" in found.cause
    assert "47" in found.message


@pytest.mark.parametrize(
    ("weight", "width", "found"),
    [({}, 7, 1), ({}, 6, 0), ({"fan_in": 8}, 47, 1), ({"fan_in": 7}, 47, 0), ({"fan_in": None}, 47, 0)],
)
def test_narrow_layers_do_not_count(weight: dict[str, Any], width: int, found: int) -> None:
    """Without the third layer there is no decrease from four directions to one."""
    layers = stack(30, fc2={"weight": weight})
    directions = [16.0, 5.0, 2.0, *[1.0] * 26, 1.0]
    numbers = {each.name: {"effective": d, "width": 47} for each, d in zip(layers, directions, strict=True)}
    numbers["fc2"]["width"] = width
    assert len(judge(RankCollapse, recording(layers, measured(layers, **numbers)))) == found


@pytest.mark.parametrize(("activation", "orthogonal"), [("tanh", True), (None, True), ("relu", False)])
def test_orthogonal_weights_are_recommended_if_all_layers_are_nearly_linear(
    activation: str | None, orthogonal: bool
) -> None:
    linear = {f"fc{place}": {"activation": "tanh"} for place in range(30)}
    linear["fc7"] = {"activation": activation}
    found = only(used(FADED, **linear))
    lines = [f"nn.init.orthogonal_(model.fc{place}.weight)" for place in range(30)]
    assert (found.fix.splitlines() == lines) is orthogonal


def test_weights_of_rank_one_precede_the_depth() -> None:
    found = only(used(FADED, fc10=ONE_LINE))
    assert found.layers == ("fc10",)


@pytest.mark.parametrize(("rows", "width", "skipped"), [(4, 3, True), (4, 7, False), (64, 3, False)])
def test_a_small_batch_is_not_judged(rows: int, width: int, skipped: bool) -> None:
    layers = stack(3)
    few = {
        each.name: {"output": signal(numel=96 * rows).model_dump(), "width": width if each.name == "fc1" else 3}
        for each in layers
    }
    assert (RankCollapse().skipped(recording(layers, measured(layers, **few))) is not None) is skipped


def test_constant_weights_explain_a_collapse() -> None:
    assert explains(ConstantWeights, found_by(ConstantWeights), RankCollapse.code)


class Mixer(nn.Module):
    """Transformer blocks; ``skip`` combines the input and the output of an attention."""

    def __init__(self, skip: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], depth: int = 6) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.skip, self.embed = skip, nn.Linear(FEATURES, 32)
        self.norms = nn.ModuleList(nn.LayerNorm(32) for _ in range(depth))
        self.q, self.k, self.v, self.o, self.up, self.down = (
            nn.ModuleList(nn.Linear(32, 32) for _ in range(depth)) for _ in range(6)
        )
        self.head = nn.Linear(32, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x)
        for norm, q, k, v, o, up, down in zip(
            self.norms, self.q, self.k, self.v, self.o, self.up, self.down, strict=True
        ):
            h = norm(x)
            read = (q(h) @ k(h).mT / 32**0.5).softmax(-1) @ v(h)
            x = self.skip(x, o(read))
            x = x + down(torch.relu(up(x)))
        output: torch.Tensor = self.head(x[:, 0])
        return output


TEXTS = torch.randn(32, 12, FEATURES, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize(("skip", "twice"), [(lambda x, read: read, False), (lambda x, read: read + read, True)])
def test_attention_without_a_skip_connection_makes_tokens_alike(skip: Any, twice: bool) -> None:
    found = finding(judged(Mixer(skip), TEXTS), "IH207")
    assert (found.severity, found.role, found.layers[0]) == (Severity.WARNING, "cause", "v.0")
    assert ("o.0 ... o.5 (6 layers) is added to itself" in (found.cause or "")) is twice


class Pooling(nn.Module):
    """Attention that pools once, doubled outputs, and layers that keep the tokens apart."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.values, self.head = nn.Linear(FEATURES, 32), nn.Linear(32, 32), nn.Linear(32, CLASSES)
        self.attentions = nn.ModuleList(nn.MultiheadAttention(32, 2, batch_first=True) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.values(torch.relu(self.embed(x)))
        x = hidden + hidden
        for attention in self.attentions:
            x = attention(x, x, x)[0]
        output: torch.Tensor = self.head(x[:, 0])
        return output


@pytest.mark.parametrize(
    "build", [lambda: Mixer(lambda x, read: x + read), lambda: Mixer(lambda x, read: read, 2), Pooling]
)
def test_healthy_attention_has_no_finding(build: Callable[[], nn.Module]) -> None:
    assert "IH207" not in codes(judged(build(), TEXTS))

"""IH103: zeros without gradient are errors; LoRA, ReZero, ControlNet and DiT start with zeros that train."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth import Finding, Severity
from inithealth.recording import Probation
from inithealth.rules.weights.zero_weights import ZeroWeights
from tests.rules import zero_starts
from tests.rules.folding import explains
from tests.rules.nets import codes, finding, fixed, he, judged, mlp, pictures, typed, vectors, with_options, zeroed
from tests.rules.recordings import judge, layer, measured, recording, signal, stack

ASLEEP = Probation(steps=4, settled=True, asleep=("fc1.weight",), zero_units={"fc1.weight": 1.0})


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh, nn.GELU])
def test_an_all_zero_network_is_an_error(activation: type[nn.Module]) -> None:
    model = zeroed(mlp(activation=activation))
    report = judged(model)
    found = finding(report, "IH103")
    assert found.severity == Severity.ERROR
    assert found.layers == ("0", "2", "4", "6", "8")
    assert "receive no gradient in 4 steps" in found.message
    assert (found.measured, found.limit) == (1.0, 0.5)
    assert [cause.code for cause in report.causes] == ["IH103"]
    fixed(model, "IH103")


def test_a_zero_relu_layer_in_the_middle_is_an_error() -> None:
    model = mlp()
    zeroed(model[2])
    report = judged(model)
    assert [cause.code for cause in report.causes] == ["IH103"]
    assert report.causes[0].layers == ("2",)
    assert {"IH204", "IH304"} <= {found.code for found in report.consequences(report.causes[0])}
    assert fixed(model, "IH103").ok


@pytest.mark.parametrize("hidden", [1, 2])
def test_the_units_of_an_all_zero_sigmoid_network_become_identical(hidden: int) -> None:
    model = zeroed(mlp(hidden, nn.Sigmoid))
    found = finding(judged(model), "IH103")
    assert found.severity == Severity.ERROR
    assert found.layers[0] == "0"
    assert "98% of the units are identical after 4 steps" in found.message
    assert fixed(model, "IH103").ok


def test_lora_with_both_factors_at_zero_is_an_error() -> None:
    model = zero_starts.lora(both=True)
    found = finding(judged(model), "IH103")
    assert found.severity == Severity.ERROR
    assert found.layers[0] == "0.a"
    report = fixed(model, "IH103")
    assert report.ok
    assert not model[0].b.weight.any()  # one of the factors may stay zero


@pytest.mark.parametrize("start", zero_starts.HEALTHY, ids=lambda start: start.__name__)
def test_a_zero_that_receives_gradient_is_healthy(start: zero_starts.Start) -> None:
    model, batch, loss = start()
    report = judged(model, batch, loss)
    assert report.causes == (), str(report)


def rows_at_zero(share: float) -> nn.Sequential:
    model = mlp()
    dead = int(share * 64)
    model[2].weight.data[:dead] = 0.0
    model[2].bias.data[:dead] = 0.0
    return model


def test_most_units_at_zero_are_an_error() -> None:
    model = rows_at_zero(0.625)
    found = finding(judged(model), "IH103")
    assert found.layers == ("2",)
    assert found.message.startswith("layer 2: 62% of the units are exactly zero")
    assert found.measured == 0.625
    fixed(model, "IH103")


def test_some_units_at_zero_are_not_an_error() -> None:
    assert "IH103" not in codes(judged(rows_at_zero(0.25)))


def test_the_option_changes_the_limit() -> None:
    assert "IH103" in codes(judged(rows_at_zero(0.25), **with_options("zero-weights", max_zero_units=0.2)))
    assert "IH103" not in codes(judged(rows_at_zero(0.625), **with_options("zero-weights", max_zero_units=0.7)))


def test_frozen_zeros_are_a_mask() -> None:
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(32, 10)
            self.correction = nn.Linear(32, 10, bias=False)
            nn.init.zeros_(self.correction.weight)
            self.correction.requires_grad_(False)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(x) + self.correction(x)

    assert judged(Masked()).causes == ()


def test_a_structurally_zero_gradient_is_healthy() -> None:
    """Attention over one token: the softmax of one score is 1 for any query and key."""

    class OneToken(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.q, self.k, self.v = nn.Linear(32, 32), nn.Linear(32, 32), nn.Linear(32, 32)
            self.head = nn.Linear(32, 10)

        def forward(self, x: Tensor) -> Tensor:
            x = x[:, None]
            return self.head(F.scaled_dot_product_attention(self.q(x), self.k(x), self.v(x))[:, 0])

    model = OneToken()
    assert judged(model).causes == ()
    zeroed(model.q)
    assert judged(model).causes == ()


def test_a_padding_row_is_healthy() -> None:
    model = nn.Sequential(nn.Embedding(50, 32, padding_idx=0), nn.Flatten(), nn.Linear(96, 10))
    tokens = torch.randint(0, 50, (64, 3), generator=torch.Generator().manual_seed(0))
    assert judged(model, tokens).causes == ()


def test_an_empty_parameter_is_healthy() -> None:
    class Empty(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.prompt, self.head = nn.Linear(32, 32), nn.Parameter(torch.empty(0, 32)), nn.Linear(32, 10)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(torch.cat([F.relu(self.fc(x)), self.prompt]))

    assert judged(Empty()).causes == ()


def test_convolutions_are_judged_too() -> None:
    model = he(nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU(), nn.Flatten()))
    model.append(nn.Linear(256, 10))
    zeroed(model[2])
    assert finding(judged(model, pictures()), "IH103").layers == ("2",)
    assert fixed(model, "IH103", pictures()).ok


def test_it_is_info_during_the_probation() -> None:
    layers = stack(fc1={"weight": {"rms": 0.0, "abs_max": 0.0, "zero_share": 1.0, "zero_rows": 1.0}})
    trial = Probation(steps=1, settled=False, asleep=("fc1.weight",))
    (found,) = judge(ZeroWeights, recording(layers, probation=trial))
    assert found.severity == Severity.INFO
    assert found.message.startswith("fc1: weights are exactly zero")


@pytest.mark.parametrize("bypassable", [True, False])
def test_a_layer_without_gradient_is_an_error_with_or_without_a_skip(bypassable: bool) -> None:
    zero = {"rms": 0.0, "abs_max": 0.0, "zero_share": 1.0, "zero_rows": 1.0}
    (found,) = judge(ZeroWeights, recording(stack(fc1={"weight": zero, "bypassable": bypassable}), probation=ASLEEP))
    assert found.severity == Severity.ERROR


@pytest.mark.parametrize(("zeros", "severity"), [(1, Severity.WARNING), (3, Severity.ERROR)])
def test_all_norms_at_zero_block_the_signal_permanently(zeros: int, severity: Severity) -> None:
    vector = {"shape": (96,), "fan_in": None, "fan_out": None}
    zero = {**vector, "rms": 0.0, "abs_max": 0.0, "zero_share": 1.0}
    norm = {"kind": "norm", "type_name": "LayerNorm"}
    changes = {f"fc{n}": {**norm, "weight": zero if n < zeros else {**vector, "rms": 1.0}} for n in range(3)}
    layers = stack(**changes)
    blind = measured(layers, head={"input": signal(between=0.0).model_dump()})
    trial = Probation(steps=4, settled=True)
    (found,) = judge(ZeroWeights, recording(layers, blind, probation=trial))
    assert found.severity == severity


def test_nothing_is_reported_without_a_probation() -> None:
    layers = (layer("fc1", 0, weight={"rms": 0.0, "abs_max": 0.0, "zero_share": 1.0, "zero_rows": 1.0}),)
    assert judge(ZeroWeights, recording(layers)) == []


def test_the_fix_is_complete() -> None:
    model = zeroed(mlp())
    fix = finding(judged(model), "IH103").fix
    assert fix.splitlines() == [
        'for i in range(0, 7, 2): nn.init.kaiming_normal_(model[i].weight, nonlinearity="relu")',
        "nn.init.xavier_uniform_(model[8].weight)",
    ]
    typed(finding(judged(model), "IH103"), model)
    assert judged(model, vectors()).ok


ZERO = {"rms": 0.0, "abs_max": 0.0, "zero_share": 1.0, "zero_rows": 1.0}
PARTLY = {"zero_share": 0.6, "zero_rows": 0.6}


def tried(
    changes: dict[str, dict[str, Any]],
    *,
    asleep: tuple[str, ...] = (),
    zero_units: dict[str, float] | None = None,
    duplicates: dict[str, float] | None = None,
) -> list[Finding]:
    """Return findings after a probation with these results by layer."""
    trial = Probation(
        steps=4,
        settled=True,
        asleep=tuple(f"{name}.weight" for name in asleep),
        zero_units={f"{name}.weight": share for name, share in (zero_units or {}).items()},
        duplicates={f"{name}.weight": share for name, share in (duplicates or {}).items()},
    )
    return judge(ZeroWeights, recording(stack(**changes), probation=trial))


def percentages(found: Finding) -> list[int]:
    return [int(share) for share in re.findall(r"(\d+)%", found.message)]


def test_all_and_some_units_at_zero_are_separate_findings() -> None:
    (whole,) = tried({"fc1": {"weight": ZERO}}, asleep=("fc1",))
    (part,) = tried({"fc1": {"weight": PARTLY}}, zero_units={"fc1": 0.6})
    assert (whole.measured, percentages(whole)) == (1.0, [50])
    assert (part.measured, percentages(part)) == (0.6, [60, 50])


@pytest.mark.parametrize(
    ("zero_units", "duplicates", "found"),
    [(0.5, 0.0, 0), (0.51, 0.0, 1), (0.0, 0.49, 0), (0.0, 0.5, 1), (0.3, 0.3, 0)],
)
def test_half_of_the_units_is_the_limit(zero_units: float, duplicates: float, found: int) -> None:
    result = tried({"fc1": {"weight": PARTLY}}, zero_units={"fc1": zero_units}, duplicates={"fc1": duplicates})
    assert [(each.measured, each.limit) for each in result] == [(max(zero_units, duplicates), 0.5)] * found


@pytest.mark.parametrize(("rows", "found"), [(0.5, 0), (0.51, 1)])
def test_a_layer_is_a_suspect_if_most_of_its_units_are_zero(rows: float, found: int) -> None:
    assert len(tried({"fc1": {"weight": {"zero_rows": rows}}}, zero_units={"fc1": 1.0})) == found


def test_a_head_may_have_identical_units_but_must_receive_gradient() -> None:
    assert tried({"head": {"weight": ZERO}}, duplicates={"head": 0.9}) == []
    assert len(tried({"head": {"weight": ZERO}}, asleep=("head",))) == 1


@pytest.mark.parametrize(
    "special",
    [
        {"weight": {**ZERO, "trainable": False}},
        {"kind": "other"},
        {"exempt_zero_gradient": True},
        {"reaches_loss": False},
    ],
)
def test_which_zeros_are_not_suspects(special: dict[str, Any]) -> None:
    assert tried({"fc1": {"weight": ZERO, **special}}, asleep=("fc1",)) == []


def test_copies_have_another_cause_than_units_without_a_gradient() -> None:
    (one,) = tried({"fc1": {"weight": ZERO}}, asleep=("fc1",))
    (two,) = tried({"fc1": {"weight": ZERO}, "fc2": {"weight": ZERO}}, asleep=("fc1", "fc2"))
    (copies,) = tried({"fc1": {"weight": ZERO}}, duplicates={"fc1": 0.9})
    (half,) = tried({"fc1": {"weight": PARTLY}}, zero_units={"fc1": 0.5}, duplicates={"fc1": 0.9})
    assert half.cause == copies.cause
    assert len({one.cause, two.cause, copies.cause}) == 3  # singular, plural, and another cause
    assert percentages(copies) == [90, 50]


BRANCH: dict[str, Any] = {"weight": ZERO, "bypassable": True, "feeds": "residual"}


@pytest.mark.parametrize(
    ("changes", "layers", "typed_for"),
    [
        # zero branches downstream of a blocking zero layer have no gradient because of it
        ({"fc0": BRANCH, "fc2": {"weight": ZERO}}, ("fc2", "fc0"), {"fc2"}),
        # of two factors, initialize the first one
        ({"fc0": BRANCH, "fc2": {**BRANCH, "feeds": "layer"}}, ("fc2", "fc0"), {"fc2"}),
        # the last layer of a branch may stay zero
        ({"fc0": {**BRANCH, "ends_branch": True}, "fc2": BRANCH}, ("fc2", "fc0"), {"fc2"}),
        ({name: {**BRANCH, "ends_branch": True} for name in ("fc0", "fc2")}, ("fc0", "fc2"), {"fc0", "fc2"}),
    ],
)
def test_the_layers_to_initialize_come_first(
    changes: dict[str, dict[str, Any]], layers: tuple[str, ...], typed_for: set[str]
) -> None:
    (found,) = tried(changes, asleep=("fc0", "fc2"))
    assert found.layers == layers
    assert set(re.findall(r"model\.(\w+)\.", found.fix)) == typed_for


def blind(
    changes: dict[str, dict[str, Any]], *, trial: Probation | None = None, **reads: float | None
) -> list[Finding]:
    """Return findings if the head's input is the same for every sample, unless changed."""
    layers = stack(**changes)
    head = {"input": signal(**(reads or {"between": 0.0})).model_dump()}
    return judge(ZeroWeights, recording(layers, measured(layers, head=head), probation=trial))


def test_zeros_that_block_the_input_are_a_warning() -> None:
    (found,) = blind({"fc1": {"weight": ZERO}, "fc2": {"weight": ZERO}})
    assert (found.severity, found.layers) == (Severity.WARNING, ("fc1", "fc2"))
    assert (found.measured, found.limit) == (1.0, 0.5)
    assert "model.fc1.weight" in found.fix
    (alone,) = blind({"fc1": {"weight": ZERO}})
    assert alone.cause != found.cause


@pytest.mark.parametrize(
    ("reads", "found"), [({"rms": 0.0}, 1), ({"between": 0.0}, 1), ({"between": 1e-9}, 0), ({"between": None}, 0)]
)
def test_the_input_is_blocked_if_the_heads_input_is_the_same_for_every_sample(
    reads: dict[str, float | None], found: int
) -> None:
    assert len(blind({"fc1": {"weight": ZERO}}, **reads)) == found


def test_only_the_head_must_see_the_input() -> None:
    layers = stack(fc1={"weight": ZERO})
    blinded = {"input": signal(between=0.0).model_dump()}
    assert judge(ZeroWeights, recording(layers, measured(layers, fc2=blinded))) == []
    assert judge(ZeroWeights, recording(layers, measured(layers, fc2=blinded, head={"input": None}))) == []


@pytest.mark.parametrize(
    "special",
    [
        {"bypassable": True},
        {"head": True},
        {"feeds": "gate"},
        {"kind": "scale"},
        {"weight": {"zero_rows": 0.9}},  # some units are not zero
    ],
)
def test_layers_that_do_not_block_the_input(special: dict[str, Any]) -> None:
    assert blind({"fc1": {"weight": ZERO, **special}}) == []


def test_a_blocked_input_is_judged_at_the_first_step() -> None:
    zero = {"fc1": {"weight": ZERO}}
    for trial in (Probation(steps=0, settled=False), Probation(steps=4, settled=True)):
        (found,) = blind(zero, trial=trial)
        assert (found.severity, found.layers) == (Severity.WARNING, ("fc1",))


def test_one_norm_at_zero_starts_receiving_gradient() -> None:
    vector = {**ZERO, "shape": (96,), "fan_in": None, "fan_out": None}
    norm = {"kind": "norm", "weight": vector}
    (one,) = blind({"fc1": norm})
    (both,) = blind({"fc1": norm, "fc2": norm})
    assert (one.severity, both.severity) == (Severity.WARNING, Severity.ERROR)


def test_zeros_explain_dead_and_small_signals_downstream() -> None:
    (found,) = tried({"fc1": {"weight": ZERO}}, asleep=("fc1",))
    for code in "IH201 IH204 IH206 IH207 IH301 IH304 IH305 IH105 IH208 IH402 IH408".split():
        assert explains(ZeroWeights, found, code)
    assert not explains(ZeroWeights, found, "IH205")


class Block(nn.Module):
    """Attention and an MLP that read normalized positions."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(32), nn.LayerNorm(32)
        self.attention = nn.MultiheadAttention(32, 4, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 32))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


class Encoder(nn.Module):
    def __init__(self, blocks: int = 3) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.norm, self.head = nn.Linear(16, 32), nn.LayerNorm(32), nn.Linear(32, 10)
        self.blocks = nn.ModuleList(Block() for _ in range(blocks))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(nn.Sequential(self.embed, *self.blocks)(x)).mean(1))


def swapped(*ends: str) -> Encoder:
    """Gains of zero and biases of one in the norms whose names end so."""
    model = Encoder()
    for name, module in model.named_modules():
        if isinstance(module, nn.LayerNorm) and name.endswith(ends):
            nn.init.zeros_(module.weight)
            nn.init.ones_(module.bias)
    return model


SEQUENCES = torch.randn(16, 5, 16, generator=torch.Generator().manual_seed(6))


@pytest.mark.parametrize(
    ("ends", "severity", "count"),
    [
        (("norm1", "norm2", "norm"), Severity.ERROR, 7),
        (("norm1", "norm2"), Severity.ERROR, 6),
        (("norm1",), Severity.ERROR, 3),
        (("norm2",), Severity.WARNING, 3),
        (("0.norm1",), Severity.INFO, 1),  # trains as well as its healthy twin
    ],
)
def test_branches_that_start_at_zero(ends: tuple[str, ...], severity: Severity, count: int) -> None:
    model = swapped(*ends)
    (found,) = judged(model, SEQUENCES).causes
    assert (found.code, found.severity, len(found.layers)) == ("IH103", severity, count)
    assert judged(Encoder(), SEQUENCES).causes == ()
    exec(found.fix, {"model": model, "nn": nn})
    assert judged(model, SEQUENCES).causes == ()


def test_branches_that_end_with_a_norm_at_zero_are_healthy() -> None:
    class PostNormed(Block):
        def forward(self, x: Tensor) -> Tensor:
            x = x + self.norm1(self.attention(x, x, x, need_weights=False)[0])
            return x + self.norm2(self.mlp(x))

    model = Encoder()
    model.blocks = nn.ModuleList(PostNormed() for _ in range(3))
    for block in model.blocks:
        nn.init.zeros_(block.norm1.weight)
        nn.init.zeros_(block.norm2.weight)
    assert judged(model, SEQUENCES).causes == ()


def test_gains_of_one_plus_zero_are_healthy() -> None:
    class Norm(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(32))

        def forward(self, x: Tensor) -> Tensor:
            return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * (1 + self.weight)

    model = Encoder()
    for block in model.blocks:
        block.norm1, block.norm2 = Norm(), Norm()
    assert judged(model, SEQUENCES).causes == ()


class Divided(nn.Module):
    """A projection whose output enters an operation that is undefined at zero."""

    def __init__(self, way: Callable[[Tensor], Tensor], zero: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body, self.projection, self.head = nn.Linear(32, 64), nn.Linear(64, 16, bias=False), nn.Linear(16, 10)
        self.way = way
        if zero:
            nn.init.zeros_(self.projection.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.way(self.projection(F.gelu(self.body(x)))))


@pytest.mark.parametrize(
    "way",
    [
        lambda y: y / y.norm(dim=1, keepdim=True),
        lambda y: y * torch.rsqrt(y.square().mean(1, keepdim=True)),
        lambda y: (y - y.mean(0)) / y.std(0),
        lambda y: y.square().log(),
        lambda y: y.square().sum(1, keepdim=True).sqrt() * torch.ones(16),
    ],
)
def test_a_zero_output_that_makes_the_loss_nan_is_the_only_cause(way: Callable[[Tensor], Tensor]) -> None:
    model = Divided(way, zero=True)
    (found,) = judged(model).causes
    assert (found.code, found.severity, found.layers) == ("IH103", Severity.ERROR, ("projection",))
    assert "NaN" in found.message
    exec(found.fix, {"model": model, "nn": nn})
    assert not {"IH103", "IH203", "IH303", "IH405"} & set(codes(judged(model)))
    assert not {"IH103", "IH203", "IH303", "IH405"} & set(codes(judged(Divided(way, zero=False))))


def test_a_zero_output_that_is_divided_by_safely_makes_no_nan() -> None:
    found = finding(judged(Divided(lambda y: F.normalize(y, dim=1), zero=True)), "IH103")
    assert "NaN" not in found.message  # but the gradient is 1e12 times too large


def test_only_nan_is_explained_by_zeros_that_make_nan() -> None:
    found = finding(judged(Divided(lambda y: y / y.norm(dim=1, keepdim=True), zero=True)), "IH103")
    for code in ("IH203", "IH303", "IH405"):
        assert explains(ZeroWeights, found, code)
        (stuck,) = tried({"fc1": {"weight": ZERO}}, asleep=("fc1",))
        assert not explains(ZeroWeights, stuck, code)


def test_in_a_network_of_zeros_no_layer_stays_zero() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.head = nn.Linear(32, 32), nn.Linear(32, 10)
            self.first = nn.ModuleList(nn.Linear(32, 32) for _ in range(4))
            self.last = nn.ModuleList(nn.Linear(32, 32) for _ in range(4))

        def forward(self, x: Tensor) -> Tensor:
            x = self.stem(x)
            for first, last in zip(self.first, self.last, strict=True):
                x = x + last(torch.relu(first(x)))
            return self.head(x)

    (found, *_) = judged(zeroed(Residual())).causes
    assert found.code == "IH103"
    weights = {name for name, _ in Residual().named_parameters() if name.endswith("weight")}
    assert {operation.parameter for operation in found.operations} == weights
    (end,) = {each.numbers for each in found.operations if each.parameter.startswith("last")}
    assert end == (pytest.approx(0.5 / 32**0.5, rel=0.01),)

"""IH102: uninitialized memory, and initializations without effect."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth import Severity
from inithealth.judge.diagnose import diagnose
from inithealth.recording import ForwardWrite, Layer, Scheme, Weight
from inithealth.rules.weights.uninitialised_weights import UninitialisedWeights
from inithealth.settings import Settings
from tests.rules.folding import explains
from tests.rules.nets import codes, finding, fixed, judged, mlp, pictures
from tests.rules.recordings import judge, layer, recording, stack

OLD_BYTES = torch.tensor([0x7F4D_21A0, 0x0000_7F31, 0x0000_0041, 0], dtype=torch.int32).view(torch.float32)


def test_bytes_of_other_data_are_distinguished_from_weights() -> None:
    """Two halves of a pointer and a length, as in a freed block of memory."""
    model = mlp()
    model[2].weight.data.view(-1)[:4] = OLD_BYTES
    found = finding(judged(model), "IH102")
    assert (found.severity, found.layers, found.role) == (Severity.ERROR, ("2",), "cause")
    assert fixed(model, "IH102").ok


def test_a_network_of_fresh_pages_has_one_cause() -> None:
    model = nn.Sequential(nn.Linear(32, 64), nn.LayerNorm(64), nn.ReLU(), nn.Linear(64, 10))
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    report = judged(model)
    assert [cause.code for cause in report.causes] == ["IH102"]
    assert finding(report, "IH102").layers == ("0", "1", "3")
    assert fixed(model, "IH102").ok


def test_healthy_networks_have_no_finding() -> None:
    for activation in (nn.ReLU, nn.Tanh, nn.Sigmoid):
        assert "IH102" not in codes(judged(mlp(4, activation)))


def generator(*, effect: bool) -> nn.Sequential:
    """Return eight convolutions with std 0.01; a write to ``.data`` has no effect on two of them, with weight norm."""
    torch.manual_seed(0)
    convs = [nn.Conv1d(32, 32, 3, padding=1) for _ in range(8)]
    for number, conv in enumerate(convs):
        if number >= 6:
            nn.utils.parametrizations.weight_norm(conv)
        conv.weight.data.normal_(0.0, 0.01)  # no effect on a weight that is recomputed in every call
        if effect and number >= 6:
            conv.weight = nn.init.normal_(conv.weight.detach().clone(), std=0.01)
    parts = [part for conv in convs for part in (conv, nn.LeakyReLU(0.1), nn.InstanceNorm1d(32))]
    return nn.Sequential(*parts, nn.Conv1d(32, 1, 3))


def test_writing_to_a_computed_weight_has_no_effect() -> None:
    batch = torch.randn(4, 32, 24, generator=torch.Generator().manual_seed(0))
    model = generator(effect=False)
    found = finding(judged(model, batch, None), "IH102")
    assert (found.severity, found.layers) == (Severity.WARNING, ("18", "21"))
    assert "6 other" in found.message
    assert "IH102" not in codes(fixed(model, "IH102", batch, None))
    assert "IH102" not in codes(judged(generator(effect=True), batch, None))


TINY, HUGE = {"tiny_share": 3 / 96**2}, {"abs_max": 3e38, "rms": 3e36}


def garbage(**changes: Any) -> list[Any]:
    return judge(UninitialisedWeights, recording(stack(**changes)))


def test_tiny_values_are_never_initial_values() -> None:
    (found,) = garbage(fc1={"weight": TINY}, fc2={"weight": {"tiny_share": 1.0}})
    assert (found.severity, found.layers) == (Severity.ERROR, ("fc1", "fc2"))
    assert "in fc1.weight a share of 0.00033 of the values" in found.message
    assert found.limit == 0.0
    assert found.measured == pytest.approx(3 / 96**2)
    assert found.fix.splitlines() == [
        'nn.init.kaiming_normal_(model.fc1.weight, nonlinearity="relu")',
        'nn.init.kaiming_normal_(model.fc2.weight, nonlinearity="relu")',
    ]


def test_huge_values_next_to_small_ones_are_never_initial_values() -> None:
    (found,) = garbage(fc1={"weight": HUGE})
    assert found.layers == ("fc1",)
    assert "values up to 3e+38" in found.message
    assert (found.measured, found.limit) == (3e38, 1e10)
    assert len(garbage(fc1={"weight": {"abs_max": 3e38, "rms": float("inf")}})) == 1


def test_weights_that_are_all_huge_are_left_to_another_rule() -> None:
    assert garbage(fc1={"weight": {"abs_max": 4e12, "rms": 1e12}}) == []


def bias(**special: Any) -> dict[str, Any]:
    known = {"name": "fc1.bias", "shape": (96,), "trainable": True, "mean": 0.0, "rms": 0.1, "abs_max": 0.3}
    known = {**known, "zero_share": 0.0, "non_finite": 0, "constant": False}
    return Weight.model_validate({**known, **special}).model_dump()


def test_biases_are_judged_too() -> None:
    (found,) = garbage(fc1={"bias": bias(tiny_share=0.02)})
    assert "0.02 of the values" in found.message
    assert found.fix == "nn.init.zeros_(model.fc1.bias)"
    (found,) = garbage(fc1={"bias": bias(rms=1e25, abs_max=1e25)})
    assert found.fix == "nn.init.zeros_(model.fc1.bias)"
    assert garbage(fc1={"bias": bias()}) == []


def test_a_healthy_network_has_no_finding() -> None:
    assert garbage() == []


@pytest.mark.parametrize("tiny", [2 / 96, 4 / 96])
def test_rows_of_tiny_values_are_not_uninitialized_memory(tiny: float) -> None:
    assert garbage(fc1={"weight": {"tiny_share": tiny}}) == []


def test_trained_layers_may_have_tiny_values() -> None:
    edge = {"spectral_edge": 1.8}
    trained: dict[str, Any] = {f"fc{number}": {"weight": {**edge, **TINY}} for number in range(4)}
    shifted = {**trained, "fc1": {"weight": edge, "bias": bias(tiny_share=0.02)}}
    assert garbage(**trained) == garbage(**shifted) == []
    fresh = {"weight": {**TINY, "spectral_edge": 0.97}}
    assert [found.layers for found in garbage(**trained, head=fresh)] == [("head",)]
    assert garbage(**trained, head={"weight": {"spectral_edge": 0.97}, "bias": bias(tiny_share=0.02)}) == []


@pytest.mark.parametrize("kind", ["other", "scale"])
def test_a_formula_may_give_tiny_values(kind: str) -> None:
    assert garbage(fc1={"kind": kind, "weight": {**TINY, "trainable": False}}) == []
    assert len(garbage(fc1={"kind": kind, "weight": TINY})) == 1


ZERO = {"rms": 0.0, "abs_max": 0.0, "zero_share": 1.0, "zero_rows": 1.0}


def test_fresh_pages_are_zero() -> None:
    norm = {"kind": "norm", "weight": {**ZERO, "shape": (96,), "fan_in": None}}
    rest: dict[str, Any] = {name: {"weight": ZERO} for name in ("fc0", "fc2", "fc3", "head")}
    (found,) = garbage(fc1=norm, **rest)
    assert found.message == "fc0 ... head (5 layers): all weights are zero, including normalization weights"
    assert "nn.init.ones_(model.fc1.weight)" in found.fix
    assert garbage(fc1={"weight": ZERO}, **rest) == []  # without norms: zero weights, for any reason
    assert garbage(fc1=norm, **{**rest, "fc0": {}}) == []  # one branch at zero
    assert garbage(fc1=norm, **{**rest, "fc0": {"weight": ZERO, "bias": bias()}}) == []


def test_nan_in_uninitialized_memory_is_a_consequence() -> None:
    layers = stack(fc1={"weight": TINY}, fc2={"weight": {"non_finite": 4}}, fc3={"weight": HUGE})
    report = diagnose(recording(layers), Settings())
    assert [cause.code for cause in report.causes] == ["IH102"]
    assert "IH101" in {each.code for each in report.findings}


DEFAULT, PLAIN = Scheme(name="torch_default", text="PyTorch's default"), Scheme(name="normal", text="normal(0.02)")


def drawn(name: str, index: int, scheme: Scheme | None, **more: Any) -> Layer:
    rms = {"rms": 0.02 if scheme == PLAIN else 0.0589, **more.pop("weight", {})}
    return layer(name, index, scheme=scheme and scheme.model_dump(), weight=rms, **more)


def blocks(missed: int, following: int, **more: Any) -> tuple[Layer, ...]:
    schemes = [DEFAULT] * missed + [PLAIN] * following
    return tuple(drawn(f"h.{number}.fc", number, scheme, **more) for number, scheme in enumerate(schemes))


def test_a_layer_that_the_initialization_missed_is_a_warning() -> None:
    (found,) = judge(UninitialisedWeights, recording(blocks(1, 5)))
    assert (found.severity, found.layers) == (Severity.WARNING, ("h.0.fc",))
    assert "PyTorch's default" in found.message
    assert "5 other Linear layers of the module are initialized with normal(0.02)" in found.message
    assert found.message.endswith("(missed: 17%, limit 34%)")
    assert found.fix == "nn.init.normal_(model.h[0].fc.weight, std=0.02)"


def test_the_std_in_the_fix_follows_the_scheme() -> None:
    """He initialization preserves the gain, not the std."""
    he = Scheme(name="kaiming", text="Kaiming normal")
    sizes = [(96, (2 / 96) ** 0.5), (384, (2 / 384) ** 0.5), (24, (2 / 24) ** 0.5)]
    layers = [drawn(f"h.{n}", n, he, weight={"fan_in": fan, "rms": rms}) for n, (fan, rms) in enumerate(sizes)]
    missed = drawn("h.3", 3, DEFAULT, weight={"fan_in": 50, "rms": 0.08})
    (found,) = judge(UninitialisedWeights, recording((*layers, missed)))
    assert found.fix == "nn.init.normal_(model.h[3].weight, std=0.2)"


@pytest.mark.parametrize(
    "layers",
    [
        blocks(0, 6),
        blocks(6, 0),
        blocks(3, 3),  # intentionally left at the default
        blocks(1, 2),  # too few to decide
        (*blocks(0, 5), drawn("head", 5, DEFAULT, head=True)),
        (*blocks(0, 5), drawn("stem.fc", 5, DEFAULT)),  # another module
        (*(drawn(f"{n}.fc", n, PLAIN) for n in range(5)), drawn("5", 5, DEFAULT)),  # next to the blocks, not inside one
        (*blocks(0, 5), drawn("h.5.fc", 5, DEFAULT, type_name="Projection")),
        (*blocks(0, 5), drawn("h.5.fc", 5, DEFAULT, groups=96)),
        (*blocks(0, 5), drawn("h.5.fc", 5, DEFAULT, weight={"trainable": False})),
        (*blocks(0, 5), drawn("h.5.fc", 5, DEFAULT, reaches_loss=False)),
        (*blocks(0, 5), drawn("h.5.fc", 5, None)),
        (*blocks(0, 5), drawn("h.5.fc", 5, DEFAULT, kind="embedding")),
    ],
)
def test_healthy_mixtures_have_no_finding(layers: tuple[Layer, ...]) -> None:
    assert judge(UninitialisedWeights, recording(layers)) == []


def test_pretrained_layers_are_not_reported_as_missed() -> None:
    assert judge(UninitialisedWeights, recording(blocks(1, 5, weight={"spectral_edge": 1.8}))) == []


def test_a_missed_layer_explains_its_scale() -> None:
    rule = UninitialisedWeights()
    (missed,) = judge(UninitialisedWeights, recording(blocks(1, 5)))
    scale = missed.model_copy(update={"code": "IH106"})
    assert rule.accounts_for(missed, scale)
    assert not rule.accounts_for(missed, scale.model_copy(update={"layers": ("h.4.fc",)}))
    assert not rule.accounts_for(missed, scale.model_copy(update={"code": "IH201"}))
    assert rule.order(missed) < 30


def test_options() -> None:
    tiny = recording(stack(fc1={"weight": TINY}))
    assert judge(UninitialisedWeights, tiny, max_tiny_share=0.1) == []
    assert judge(UninitialisedWeights, recording(stack(fc1={"weight": HUGE})), max_value=1e39) == []
    assert judge(UninitialisedWeights, recording(blocks(1, 5)), min_followers=6) == []
    assert len(judge(UninitialisedWeights, recording(blocks(3, 3)), max_missed_share=0.5)) == 1


@pytest.mark.parametrize(
    ("weight", "found"),
    [
        ({"abs_max": 1e10, "rms": 1.0}, 0),
        ({"abs_max": 1.1e10, "rms": 1.0}, 1),
        ({"abs_max": 8e12, "rms": 1e12}, 0),
        ({"abs_max": 8.1e12, "rms": 1e12}, 1),
        ({"abs_max": 3e12, "rms": 1e12, "shape": (5, 5)}, 0),  # of 25 elements 0.6 times 5
        ({"abs_max": 3.1e12, "rms": 1e12, "shape": (5, 5)}, 1),
    ],
)
def test_how_far_a_value_exceeds_the_others(weight: dict[str, Any], found: int) -> None:
    assert len(garbage(fc1={"weight": weight})) == found


@pytest.mark.parametrize(
    ("shape", "tiny", "found"),
    [
        ((96, 4), 4, 0),
        ((96, 3), 3, 1),  # rows of three are tiny by chance
        ((3, 96), 96, 0),
        ((3, 96), 95, 1),
        ((8, 4, 3, 3), 36, 0),  # a filter
        ((8, 4, 3, 3), 8, 0),  # one input of every filter
        ((8, 4, 3, 3), 9, 1),
        ((96, 96), 96 * 96, 1),  # all elements
    ],
)
def test_rows_and_columns_may_be_tiny(shape: tuple[int, ...], tiny: int, found: int) -> None:
    amount = 1
    for size in shape:
        amount *= size
    assert len(garbage(fc1={"weight": {"shape": shape, "tiny_share": tiny / amount}})) == found


def test_the_first_uninitialized_layer_is_measured_and_comes_first() -> None:
    (found,) = garbage(fc1={"weight": TINY, "bias": bias(tiny_share=0.02)}, fc2={"weight": HUGE})
    assert found.layers == ("fc1", "fc2")
    assert (found.measured, found.limit) == (pytest.approx(3 / 96**2), 0.0)
    assert [line.partition("(")[0] for line in found.fix.splitlines()] == [
        "nn.init.kaiming_normal_",
        "nn.init.kaiming_normal_",
        "nn.init.zeros_",
    ]
    (alone,) = garbage(fc1={"weight": TINY})
    assert "fc1.weight" not in alone.message
    assert alone.cause != found.cause  # one tensor, several tensors


def test_uninitialized_memory_explains_its_consequences() -> None:
    (found,) = garbage(fc1={"weight": TINY})
    for code in ("IH101", "IH103", "IH106", "IH201", "IH210", "IH301", "IH305", "IH405", "IH406", "IH407"):
        assert explains(UninitialisedWeights, found, code), code
    assert not explains(UninitialisedWeights, found, "IH402")


def test_a_missed_layer_comes_before_its_scale() -> None:
    (missed,) = judge(UninitialisedWeights, recording(blocks(1, 5)))
    assert explains(UninitialisedWeights, missed, "IH106", layers=missed.layers)
    assert not explains(UninitialisedWeights, missed, "IH106", layers=("h.4.fc",))


def test_a_large_value_within_its_limit_is_not_measured() -> None:
    (found,) = garbage(fc1={"weight": {**TINY, "abs_max": 1e10}})
    assert (found.measured, found.limit) == (pytest.approx(3 / 96**2), 0.0)


def test_a_bias_is_judged_if_the_weight_is_unknown() -> None:
    layers = stack(fc1={"bias": bias(tiny_share=0.02)})
    alone = tuple(each.model_copy(update={"weight": None}) if each.name == "fc1" else each for each in layers)
    (found,) = judge(UninitialisedWeights, recording(alone))
    assert found.fix == "nn.init.zeros_(model.fc1.bias)"


def test_a_network_of_zeros_is_measured() -> None:
    zero: dict[str, Any] = {name: {"weight": ZERO} for name in ("fc0", "fc1", "fc2", "fc3", "head")}
    zero["fc1"] = {"kind": "norm", "weight": {**ZERO, "shape": (96,), "fan_in": None}}
    (found,) = garbage(**zero)
    assert (found.measured, found.severity) == (0.0, Severity.ERROR)
    zero["fc2"] = {"weight": {**ZERO, "non_finite": 1}}
    assert garbage(**zero) == []


def lost(*stds: float, scheme: Scheme | None = DEFAULT, **options: Any) -> list[Any]:
    """Return findings for layers whose written weights, with these stds, had no effect."""
    layers = tuple(drawn(f"{name}.fc", place, scheme) for place, name in enumerate("abc"[: len(stds)]))
    writes = {each.parameter: std for each, std in zip(layers, stds, strict=True)}
    return judge(UninitialisedWeights, recording(layers, lost_writes=writes), **options)


def test_an_initialization_without_effect_is_reported_with_its_std() -> None:
    (found,) = lost(0.010, 0.011, 0.0115)
    assert (found.severity, found.layers) == (Severity.WARNING, ("a.fc", "b.fc", "c.fc"))
    assert found.measured == pytest.approx(0.0589)
    assert "0.011" in found.message  # the median
    assert [line.rpartition("std=")[2] for line in found.fix.splitlines()] == ["0.011)"] * 3


@pytest.mark.parametrize(("ratio", "stds"), [(2.0, {"0.01)", "0.02)"}), (2.1, {"0.015)"})])
def test_different_stds_have_separate_fixes(ratio: float, stds: set[str]) -> None:
    (found,) = lost(0.01, 0.02, max_std_ratio=ratio)
    assert {line.rpartition("std=")[2] for line in found.fix.splitlines()} == stds


@pytest.mark.parametrize(("larger", "different"), [(0.0119, 1), (0.0121, 2)])
def test_a_std_that_differs_by_a_fifth_is_separate(larger: float, different: int) -> None:
    (found,) = lost(0.01, larger)
    assert len({line.rpartition("std=")[2] for line in found.fix.splitlines()}) == different


@pytest.mark.parametrize("scheme", [None, PLAIN])
def test_only_layers_at_the_default_count_as_overwritten(scheme: Scheme | None) -> None:
    assert lost(0.01, 0.01, scheme=scheme) == []


def test_an_overwritten_layer_is_not_also_reported_as_missed() -> None:
    layers = blocks(1, 5)
    (found,) = judge(UninitialisedWeights, recording(layers, lost_writes={"h.0.fc.weight": 0.02}))
    assert found.layers == ("h.0.fc",)
    assert "0.02" in found.message
    both = judge(UninitialisedWeights, recording(blocks(2, 6), lost_writes={"h.0.fc.weight": 0.02}))
    assert [each.layers for each in both] == [("h.0.fc",), ("h.0.fc", "h.1.fc")]


def test_a_missed_layer_is_measured_by_the_share_of_its_peers() -> None:
    (found,) = judge(UninitialisedWeights, recording(blocks(1, 3)))
    assert (found.measured, found.limit) == (0.25, 0.34)


def test_what_the_forward_pass_wrote_is_no_uninitialized_memory() -> None:
    """A data-dependent initialization with an epsilon of 1e-12."""
    vector = {"shape": (96,), "fan_in": None, "fan_out": None, "rms": 1e11, "abs_max": 1e12}
    layers = stack(fc1={"kind": "scale", "weight": vector})
    assert len(judge(UninitialisedWeights, recording(layers))) == 1
    assert judge(UninitialisedWeights, recording(layers, forward_writes={"fc1.weight": ForwardWrite()})) == []


class Pyramid(nn.Module):
    """A detector with a head for each level, whose biases are the prior of rare positives."""

    def __init__(self, missed: int | None = None) -> None:
        super().__init__()
        self.body = nn.ModuleList(nn.Conv2d(16 if level else 3, 16, 3, 2, 1) for level in range(3))
        self.heads = nn.ModuleList(nn.Conv2d(16, 12, 1) for _ in range(3))
        for conv in self.body:
            nn.init.kaiming_normal_(conv.weight)
            nn.init.zeros_(conv.bias)
        for level, head in enumerate(self.heads):
            nn.init.normal_(head.weight, std=0.01)
            nn.init.constant_(head.bias, 0.0 if level == missed else -4.6)

    def forward(self, x: Tensor) -> list[Tensor]:
        found = []
        for conv, head in zip(self.body, self.heads, strict=True):
            x = conv(x).relu()
            found.append(head(x))
        return found


def rare(outputs: list[Tensor]) -> Tensor:
    def of(output: Tensor) -> Tensor:
        targets = torch.zeros_like(output).bernoulli_(0.005, generator=torch.Generator().manual_seed(1))
        return F.binary_cross_entropy_with_logits(output, targets)

    return torch.stack([of(output) for output in outputs]).sum()


def test_one_head_without_the_prior() -> None:
    torch.manual_seed(0)
    assert codes(judged(Pyramid(), pictures(4, size=32), rare)) == []
    model = Pyramid(missed=1)
    found = finding(judged(model, pictures(4, size=32), rare), "IH102")
    assert (found.severity, found.layers) == (Severity.WARNING, ("heads.1",))
    assert found.message.startswith("heads.1.bias: constant 0, but 2 other biases of its kind are constant -4.6")
    fixed(model, "IH102", pictures(4, size=32), rare)


class Reader(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell, self.head = nn.LSTM(32, 48, 2, batch_first=True), nn.Linear(48, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.cell(x)[0][:, -1])


SEQUENCES = torch.randn(64, 6, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("value", [2.0, -3.0, 5.0])
def test_one_recurrent_bias(value: float) -> None:
    torch.manual_seed(0)
    model = Reader()
    nn.init.constant_(model.cell.bias_ih_l1, value)
    report = judged(model, SEQUENCES)
    assert [cause.code for cause in report.causes] == ["IH102"]
    assert "bias_ih_l1: constant" in finding(report, "IH102").message
    fixed(model, "IH102", SEQUENCES)


@pytest.mark.parametrize("way", ["default", "forget gates", "one forget gate", "orthogonal states", "zeros"])
def test_common_recurrent_starts_are_silent(way: str) -> None:
    torch.manual_seed(0)
    model = Reader()
    for name, parameter in model.cell.named_parameters():
        if way == "zeros" and "bias" in name:
            nn.init.zeros_(parameter)
        if way == "orthogonal states" and "weight_hh" in name:
            nn.init.orthogonal_(parameter)
        if "bias_ih" in name and (way == "forget gates" or (way == "one forget gate" and "l0" in name)):
            parameter.data[48:96] = 1.0
    assert codes(judged(model, SEQUENCES)) == []


class Experts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.randn(8, 32, 64) * (2 / 32) ** 0.5)
        self.second = nn.Parameter(torch.randn(8, 64, 32) / 8)
        self.router, self.head = nn.Linear(32, 8), nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.einsum("edh,nd->neh", self.first, x).relu()
        outputs = torch.einsum("ehd,neh->ned", self.second, hidden)
        return self.head((self.router(x).softmax(-1)[..., None] * outputs).sum(1))


def test_one_expert_of_many() -> None:
    torch.manual_seed(0)
    model = Experts()
    assert codes(judged(model)) == []
    model.first.data[3] *= 8.0
    found = finding(judged(model), "IH102")
    assert (found.severity, found.layers) == (Severity.WARNING, ("first",))
    assert found.message.startswith("first[3]: rms ")
    fixed(model, "IH102")

"""IH107: layers that are exact copies of each other, as in nn.TransformerEncoder."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth import Severity
from inithealth.judge.diagnose import folded
from inithealth.recording import Layer
from inithealth.rules.weights.cloned_layers import ClonedLayers
from inithealth.rules.weights.pretrained_weights import PretrainedWeights
from tests.rules.folding import found_by
from tests.rules.nets import codes, finding, fixed, judged
from tests.rules.recordings import judge, layer, measured, recording

TOKENS = torch.randn(8, 10, 32, generator=torch.Generator().manual_seed(0))


def encoder_of_torch() -> nn.Sequential:
    torch.manual_seed(0)
    block = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
    return nn.Sequential(nn.TransformerEncoder(block, 3), nn.Flatten(), nn.Linear(320, 10))


def test_the_encoder_of_torch_clones_its_layers() -> None:
    model = encoder_of_torch()
    report = judged(model, TOKENS)
    assert [(cause.code, cause.severity) for cause in report.causes] == [("IH107", Severity.INFO)]
    assert report.ok
    found = finding(report, "IH107")
    assert len(found.layers) == 12
    assert "3 bit-identical copies of 4 weights each" in found.message
    assert fixed(model, "IH107", TOKENS).causes == ()


class Ensemble(nn.Module):
    """Parallel layers with averaged outputs."""

    def __init__(self, *, copied: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.enter, first = nn.Linear(32, 32), nn.Linear(32, 32)
        self.members = nn.ModuleList(copy.deepcopy(first) if copied else nn.Linear(32, 32) for _ in range(3))
        self.head = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.enter(x))
        return self.head(torch.stack([F.relu(member(x)) for member in self.members]).mean(0))


def test_parallel_copies_stay_copies() -> None:
    model = Ensemble(copied=True)
    found = finding(judged(model), "IH107")
    assert found.severity == Severity.WARNING
    assert sorted(found.layers) == ["members.0", "members.1", "members.2"]
    fixed(model, "IH107")
    assert "IH107" not in codes(judged(Ensemble(copied=False)))


def test_a_frozen_copy_is_a_target_network() -> None:
    model = Ensemble(copied=True)
    for member in model.members[1:]:
        member.requires_grad_(False)
    assert "IH107" not in codes(judged(model))


COPY = {"fingerprint": 7}


def encoder(*prints: int, **more: Any) -> tuple[Layer, ...]:
    """Return two weights per block with these fingerprints."""
    layers: list[Layer] = []
    for number, fingerprint in enumerate(prints):
        for place, role in enumerate(("linear1", "linear2")):
            weight = {"fingerprint": fingerprint and fingerprint + place, **more.get("weight", {})}
            place_ = {key: value for key, value in more.items() if key != "weight"}
            layers.append(layer(f"layers.{number}.{role}", len(layers), weight=weight, **place_))
    return tuple(layers)


def apart(layers: tuple[Layer, ...]) -> Any:
    """Return a recording in which copies at different depths have different gradients."""
    return measured(layers, **{each.name: {"weight_gradient": 1.0 + each.index} for each in layers})


def test_a_copied_block_is_one_info_finding() -> None:
    layers = encoder(7, 7, 7)
    (found,) = judge(ClonedLayers, recording(layers, apart(layers)))
    assert found.severity == Severity.INFO
    assert found.message.endswith("3 bit-identical copies of 2 weights each")
    assert found.layers == tuple(each.name for each in layers)
    assert found.measured == 3.0
    assert "mostly harmless" in found.cause
    assert found.fix.splitlines() == [
        "for i in range(3): nn.init.normal_(model.layers[i].linear1.weight, std=0.144)",
        "for i in range(3): nn.init.normal_(model.layers[i].linear2.weight, std=0.144)",
    ]


def test_two_blocks_of_copies_are_two_info_findings() -> None:
    layers = encoder(7, 7, 3, 3)
    found = judge(ClonedLayers, recording(layers, apart(layers)))
    assert [each.layers[0] for each in found] == ["layers.0.linear1", "layers.2.linear1"]


def test_copies_whose_names_differ_in_words_are_found_too() -> None:
    layers = tuple(layer(name, index, weight=COPY) for index, name in enumerate(("student", "teacher")))
    (found,) = judge(ClonedLayers, recording(layers, apart(layers)))
    assert found.message == "student, teacher: 2 bit-identical copies of student"


def test_copies_with_equal_gradients_are_a_warning() -> None:
    layers = encoder(7, 7)
    (found,) = judge(ClonedLayers, recording(layers, measured(layers)))
    assert found.severity == Severity.WARNING
    assert "stay identical" in found.cause
    zero = {each.name: {"weight_gradient": 0.0} for each in layers}
    (found,) = judge(ClonedLayers, recording(layers, measured(layers, **zero)))
    assert found.severity == Severity.INFO


@pytest.mark.parametrize(
    "special",
    [
        {"weight": {"trainable": False}},
        {"weight": {"constant": True}},
        {"weight": {"identity": True}},
        {"weight": {"zero_share": 1.0, "rms": 0.0}},
        {"weight": {"non_finite": 1}},
        {"weight": {"shape": (4, 3)}},
        {"kind": "norm"},
        {"kind": "other"},
    ],
)
def test_intentionally_equal_weights_are_not_clones(special: dict[str, Any]) -> None:
    assert judge(ClonedLayers, recording(encoder(7, 7, **special))) == []


def test_healthy_versions_have_no_finding() -> None:
    assert judge(ClonedLayers, recording(encoder(7, 9, 11))) == []
    assert judge(ClonedLayers, recording(encoder(0, 0))) == []  # unknown


def test_a_tied_weight_is_not_a_clone() -> None:
    first = layer("embedding", 0, kind="embedding", weight=COPY)
    tied = layer("head", 1).model_copy(update={"weight": first.weight})
    assert judge(ClonedLayers, recording((first, tied))) == []


def test_only_weights_of_equal_shape_and_size_are_compared() -> None:
    one = layer("a", 0, weight=COPY)
    for other in ({"shape": (48, 192)}, {"rms": 0.1}, {"mean": 0.01}):
        assert judge(ClonedLayers, recording((one, layer("b", 1, weight={**COPY, **other})))) == []


def test_options() -> None:
    sparse = encoder(7, 7, weight={"zero_share": 0.6})
    assert judge(ClonedLayers, recording(sparse)) == []
    assert len(judge(ClonedLayers, recording(sparse), max_zero_share=0.7)) == 1
    small = encoder(7, 7, weight={"shape": (4, 3)})
    assert len(judge(ClonedLayers, recording(small), min_elements=12)) == 1
    layers = encoder(7, 7)
    close = measured(layers, **{each.name: {"weight_gradient": 1.0 + each.index / 1e3} for each in layers})
    (found,) = judge(ClonedLayers, recording(layers, close), max_gradient_difference=0.01)
    assert found.severity == Severity.WARNING


@pytest.mark.parametrize(
    ("weight", "found"),
    [
        ({"shape": (8, 8)}, 1),
        ({"shape": (9, 7)}, 0),
        ({"zero_share": 0.5}, 1),
        ({"zero_share": 0.51}, 0),
    ],
)
def test_the_minimum_elements_and_the_maximum_zeros_are_options(weight: dict[str, Any], found: int) -> None:
    assert len(judge(ClonedLayers, recording(encoder(7, 7, weight=weight)))) == found


def severity_of(*gradients: float | None, **options: Any) -> Severity:
    """Return the severity for copies of one layer whose weight gradients have these norms."""
    layers = tuple(layer(f"layers.{place}", place, weight=COPY) for place in range(len(gradients)))
    norms = {each.name: {"weight_gradient": norm} for each, norm in zip(layers, gradients, strict=True)}
    (found,) = judge(ClonedLayers, recording(layers, measured(layers, **norms)), **options)
    assert found.measured == len(gradients)
    return found.severity


@pytest.mark.parametrize(
    ("gradients", "severity"),
    [
        ((1.0, 1.0), Severity.WARNING),
        ((1.0, 1.0 + 0.9e-6), Severity.WARNING),
        ((1.0, 1.0 + 1.1e-6), Severity.INFO),
        ((1.0, 2.0, 2.0), Severity.WARNING),  # two of three have equal gradients
        ((1.0, 2.0, 3.0), Severity.INFO),
        ((0.0, 1.0), Severity.INFO),
        ((1.0, 0.0), Severity.INFO),
        ((None, 1.0), Severity.INFO),
        ((1.0, None), Severity.INFO),
    ],
)
def test_two_copies_with_equal_gradients_are_a_warning(gradients: tuple[float | None, ...], severity: Severity) -> None:
    assert severity_of(*gradients) == severity


def test_a_zero_gradient_equals_no_other() -> None:
    assert severity_of(0.0, 1.0, max_gradient_difference=1.0) == Severity.INFO


def test_the_limit_is_reported_if_gradients_are_equal() -> None:
    layers = encoder(7, 7)
    (equal,) = judge(ClonedLayers, recording(layers, measured(layers)))
    (different,) = judge(ClonedLayers, recording(layers, apart(layers)))
    assert ["1e-06" in found.message for found in (equal, different)] == [True, False]


def test_clones_have_the_highest_rank() -> None:
    layers = encoder(7, 7)
    (found,) = judge(ClonedLayers, recording(layers, apart(layers)))
    trained = found_by(PretrainedWeights, severity=Severity.INFO)
    assert [each.code for each in folded([(ClonedLayers(), found), (PretrainedWeights(), trained)])] == [
        "IH109",
        "IH107",
    ]


@pytest.mark.parametrize("gradients", [(3.0, 4.0), (4.0, 3.0)])
def test_gradients_are_equal_up_to_the_limit(gradients: tuple[float, float]) -> None:
    assert severity_of(*gradients, max_gradient_difference=0.25) == Severity.WARNING
    assert severity_of(*gradients, max_gradient_difference=0.24) == Severity.INFO


def test_a_block_is_a_warning_only_if_all_its_weights_have_equal_gradients() -> None:
    layers = encoder(7, 7)
    one_apart = measured(layers, **{"layers.1.linear2": {"weight_gradient": 2.0}})
    (found,) = judge(ClonedLayers, recording(layers, one_apart))
    assert found.severity == Severity.INFO


def test_unmeasured_copies_are_info() -> None:
    layers = encoder(7, 7)
    (found,) = judge(ClonedLayers, recording(layers, measured(layers)[:1]))
    assert found.severity == Severity.INFO


def test_the_layers_are_in_forward_order() -> None:
    backwards = tuple(each.model_copy(update={"index": 9 - each.index}) for each in encoder(7, 7))
    (found,) = judge(ClonedLayers, recording(backwards, apart(backwards)))
    assert found.layers == ("layers.1.linear2", "layers.1.linear1", "layers.0.linear2", "layers.0.linear1")

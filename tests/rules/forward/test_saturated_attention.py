"""IH209: saturated attention, caused by weights, scale or input."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth import Finding, Report, Severity
from inithealth.recording import Recording
from inithealth.rules.forward.saturated_attention import SaturatedAttention
from tests.record.reading import Written
from tests.rules.folding import explains
from tests.rules.nets import codes, finding, fixed, judged, with_options
from tests.rules.recordings import judge, layer, measured, recording, signal

WIDTH, TOKENS = 32, 12


class Block(nn.Module):
    """One attention, with or without a skip around it, and a head on the mean token."""

    def __init__(self, divided: bool = True, skip: bool = False, causal: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.q, self.k, self.v, self.o = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(4))
        self.head = nn.Linear(WIDTH, 10)
        self.scale, self.skip, self.causal = WIDTH**-0.5 if divided else 1.0, skip, causal
        for each in (self.q, self.k, self.v, self.o, self.head):
            nn.init.normal_(each.weight, std=WIDTH**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (each(x)[:, None] for each in (self.q, self.k, self.v))
        y = self.o(F.scaled_dot_product_attention(q, k, v, scale=self.scale, is_causal=self.causal)[:, 0])
        return self.head((x + y if self.skip else y).mean(1))


def texts(scale: float = 1.0) -> Tensor:
    return scale * torch.randn(16, TOKENS, WIDTH, generator=torch.Generator().manual_seed(1))


def loud(factor: float, **options: bool) -> Block:
    model = Block(**options)
    with torch.no_grad():
        for each in (model.q, model.k):
            each.weight.mul_(factor)
    return model


def attentive(std: float, top: float = 0.3, keys: int = 16, gain: float = 1.0, **more: Any) -> Recording:
    """Return an attention whose queries and keys have this gain, for an input of rms 1."""
    feeds = {"activation": None, "feeds": "attention", "bypassable": True, "weight": {"rms": gain * 96**-0.5}}
    layers = tuple(layer(name, place, **{**feeds, **more.pop(name, {})}) for place, name in enumerate("qk"))
    layers += (layer("head", 2, head=True, activation=None, feeds="loss"),)
    numbers = {"attention_std": std, "attention_top": top, "attention_keys": keys}
    size = more.pop("size", gain)
    one = {**numbers, "output": signal(size).model_dump(), "input": signal(more.pop("reads", 1.0)).model_dump()}
    return recording(layers, measured(layers, q=one, k=one), **more)


def only(of: Recording, **options: Any) -> Finding:
    (found,) = judge(SaturatedAttention, of, **options)
    return found


def cause_of(report: Report) -> Finding:
    found = finding(report, "IH209")
    assert found.role == "cause", str(report)
    return found


def test_large_weights_are_the_cause_and_are_fixed() -> None:
    model = loud(5.0)
    found = finding(judged(model, texts()), "IH209")
    assert set(found.layers) == {"q", "k"}
    assert "over 12 keys" in found.message
    assert found.measured == pytest.approx(25, rel=0.3)
    assert "the gain that preserves the signal" in found.cause
    assert "model.q.weight" in found.fix
    fixed(model, "IH209", texts())


def test_a_missing_scale_is_reported_if_the_weights_are_correct() -> None:
    """Weights that are 3x too large do not saturate by themselves, but without division by sqrt(32) they do."""
    model = loud(1.7, divided=False)
    found = cause_of(judged(model, texts()))
    assert found.cause.startswith("the scale of the weights is correct")
    assert "not divided by the square root" in found.cause
    assert "math.sqrt" in found.fix
    compile(found.fix, "fix", "exec")
    model.scale = WIDTH**-0.5
    assert "IH209" not in codes(judged(model, texts()))


def test_a_large_input_is_reported_if_weights_and_scale_are_correct() -> None:
    found = finding(judged(Block(), texts(8.0)), "IH209")
    assert "their input is large: rms 8" in found.cause
    model = Block()
    fixed(model, "IH209", texts(8.0))


def test_healthy_attention_has_no_finding() -> None:
    """Also if the first queries of a causal mask can attend to a single key, which has all the weight."""
    for model in (Block(), Block(skip=True), Block(causal=True), loud(2.0)):
        assert "IH209" not in codes(judged(model, texts()))


def test_intentionally_sharp_attention_has_no_finding() -> None:
    """Cosine attention with logits of ten times a cosine; a router; a gate of two."""

    def cosine(self: Any, x: Tensor) -> Tensor:
        q, k = (F.normalize(each(x), dim=-1) for each in (self.q, self.k))
        return self.head(((10 * q @ k.transpose(1, 2)).softmax(-1) @ x).mean(1))

    def routed(self: Any, x: Tensor) -> Tensor:
        return self.head((self.q(20 * x).softmax(-1) * self.k(x)).mean(1))

    for way in (cosine, routed):
        torch.manual_seed(0)
        model = Written(way, q=nn.Linear(WIDTH, WIDTH), k=nn.Linear(WIDTH, WIDTH), head=nn.Linear(WIDTH, 10))
        assert "IH209" not in codes(judged(model, texts()))


def test_the_severity_depends_on_whether_training_recovers() -> None:
    around = attentive(60.0, gain=8.0)
    assert only(around).severity is Severity.WARNING
    essential = attentive(60.0, gain=8.0, q={"bypassable": False})
    assert only(essential).severity is Severity.ERROR
    after = attentive(60.0, gain=8.0, trunk_normalized=True)
    assert only(after).severity is Severity.ERROR
    assert only(after.model_copy(update={"adaptive": True})).severity is Severity.WARNING
    assert only(attentive(40.0, gain=6.0, q={"bypassable": False})).severity is Severity.WARNING


def test_the_largest_weight_counts_unless_a_mask_or_a_bias_causes_it() -> None:
    assert only(attentive(9.0, top=0.95, gain=3.0)).measured == 0.95
    assert judge(SaturatedAttention, attentive(1.0, top=0.95)) == []


def test_after_a_norm_the_weights_are_not_the_cause() -> None:
    normed = {"normed": True, "weight": {"rms": 96**-0.5}}
    found = only(attentive(12.0, size=30.0, q=normed, k=normed))
    assert "(about 144)" in found.cause


def test_several_attentions_with_one_cause_are_one_finding() -> None:
    names = [f"block{number}.qkv" for number in range(4)]
    layers = tuple(
        layer(name, place, activation=None, feeds="attention", bypassable=True, weight={"rms": 8 * 96**-0.5})
        for place, name in enumerate(names)
    )
    numbers = {
        name: {"attention_std": 60.0 + place, "attention_top": 0.95, "attention_keys": 16, "output": signal(8.0)}
        for place, name in enumerate(names)
    }
    found = only(recording(layers, measured(layers, **numbers)))
    assert set(found.layers) == set(names)
    assert "up to 63" in found.message


def test_options() -> None:
    model = Block()
    for option, value in (("max_std", 0.5), ("max_top", 0.2)):
        options = {option: value, "min_top_std": 0.1}
        assert "IH209" in codes(judged(model, texts(), **with_options("saturated-attention", **options)))
    assert judge(SaturatedAttention, attentive(9.0, top=0.95, gain=3.0), min_top_std=9.5) == []
    essential = attentive(20.0, gain=5.0, q={"bypassable": False})
    assert only(essential, error_std=15.0).severity is Severity.ERROR
    assert only(attentive(120.0, gain=30.0)).severity is Severity.ERROR  # with or without a skip connection
    assert only(attentive(120.0, gain=30.0), lost_std=150.0).severity is Severity.WARNING
    assert "the weights of" in only(attentive(20.0, gain=5.0)).cause
    assert "the scale of the weights is correct" in only(attentive(20.0, gain=5.0), max_gain=6.0).cause
    unscaled = attentive(20.0, size=math.sqrt(5))
    assert "root" in only(unscaled).cause
    assert "input is large" in only(unscaled, max_unscaled=5.0).cause


@pytest.mark.parametrize(
    ("std", "top", "found"),
    [
        (10.0, 0.3, None),
        (10.1, 0.3, (10.1, 10.0)),
        (6.0, 0.9, None),
        (6.0, 0.91, (0.91, 0.9)),
        (5.0, 0.95, None),
        (5.1, 0.95, (0.95, 0.9)),
        (10.0, 0.95, (0.95, 0.9)),
        (10.1, 0.95, (10.1, 10.0)),
    ],
)
def test_attention_at_the_limits_is_healthy(std: float, top: float, found: tuple[float, float] | None) -> None:
    result = judge(SaturatedAttention, attentive(std, top))
    assert [(each.measured, each.limit) for each in result] == ([] if found is None else [found])


@pytest.mark.parametrize(
    ("std", "bypassable", "severity"),
    [
        (50.0, False, Severity.WARNING),
        (50.1, False, Severity.ERROR),
        (100.0, True, Severity.WARNING),
        (100.1, True, Severity.ERROR),
    ],
)
def test_training_recovers_at_the_limits(std: float, bypassable: bool, severity: Severity) -> None:
    assert only(attentive(std, q={"bypassable": bypassable})).severity is severity


def test_equal_logits_have_std_zero() -> None:
    assert judge(SaturatedAttention, attentive(0.0, top=0.95), max_std=0.5, min_top_std=0.1) == []


def reason(of: Recording, **options: Any) -> str:
    """Return which of the three causes it is, according to the fix."""
    fix = only(of, **options).fix
    return "scale" if "sqrt" in fix else "input" if "mul_" in fix else "weights"


@pytest.mark.parametrize(
    ("of", "options", "cause"),
    [
        (attentive(20.0, gain=2.1), {}, "weights"),
        (attentive(20.0, gain=1.9, size=1.0), {}, "scale"),
        (attentive(12.0, size=2.0), {"max_unscaled": 2.9}, "scale"),
        (attentive(12.0, size=2.0), {"max_unscaled": 3.0}, "input"),
        (attentive(12.4, size=5**0.5), {}, "input"),
        (attentive(12.6, size=5**0.5), {}, "scale"),
    ],
)
def test_the_cause_of_large_logits(of: Recording, options: dict[str, float], cause: str) -> None:
    assert reason(of, **options) == cause


@pytest.mark.parametrize(("size", "dimensions"), [(2.0, 4), (0.5, 1024)])
def test_the_missing_scale_follows_from_the_number_of_dimensions(size: float, dimensions: int) -> None:
    """Logits of 8 from queries and keys with rms 2, and rms 0.5."""
    found = only(attentive(8.0, top=0.95, size=size), max_unscaled=1.5)
    assert dimensions in [int(number) for number in re.findall(r"\b\d+\b", found.cause)]


def test_zero_queries_and_keys_are_no_error() -> None:
    assert only(attentive(12.0, size=0.0)).measured == 12.0


def test_non_finite_outputs_count_as_one() -> None:
    of = attentive(12.0, size=30.0)
    (step,) = of.steps
    broken = [m.model_copy(update={"output": signal(30.0, non_finite=1)}) for m in step.layers]
    for layers in (broken, [m.model_copy(update={"output": None}) for m in broken]):
        steps = (step.model_copy(update={"layers": tuple(layers)}),)
        assert reason(of.model_copy(update={"steps": steps})) == "scale"
    assert reason(of) == "input"


@pytest.mark.parametrize(("reads", "factor"), [(8.0, "0.12"), (0.5, "1")])
def test_weights_are_divided_by_their_inputs_rms_if_that_is_large(reads: float, factor: str) -> None:
    found = only(attentive(12.0, size=3.0, reads=reads))
    assert found.fix.splitlines() == [f"model.{name}.weight.data.mul_({factor})" for name in "qk"]
    assert f"{reads:g}" in found.cause


def test_only_large_weights_are_redrawn_largest_first() -> None:
    of = attentive(60.0, k={"weight": {"rms": 8 * 96**-0.5}})
    found = only(of)
    assert found.layers == ("k", "q")
    assert "model.k.weight" in found.fix
    assert "model.q.weight" not in found.fix
    assert "8" in found.cause


def attentions(**stds: tuple[float, float, float]) -> Recording:
    """Return attentions by name, each of one layer: std of the logits, gain of the weights, and their output."""
    layers = tuple(
        layer(name, place, activation=None, feeds="attention", bypassable=True, weight={"rms": gain * 96**-0.5})
        for place, (name, (_, gain, _)) in enumerate(stds.items())
    )
    numbers = {
        name: {"attention_std": std, "attention_top": 0.3, "attention_keys": 16, "output": signal(size)}
        for name, (std, _, size) in stds.items()
    }
    return recording(layers, measured(layers, **numbers))


def test_weights_scale_and_input_are_three_findings_widest_logits_first() -> None:
    of = attentions(a=(20.0, 1.0, 4.0), b=(30.0, 1.0, 1.0), c=(25.0, 4.0, 4.0), d=(22.0, 1.0, 4.0), e=(40.0, 1.0, 1.0))
    found = judge(SaturatedAttention, of)
    assert [each.layers for each in found] == [("c",), ("e", "b"), ("d", "a")]
    assert [each.measured for each in found] == [25.0, 40.0, 22.0]


@pytest.mark.parametrize(("others", "severity"), [(1, Severity.WARNING), (0, Severity.ERROR)])
def test_with_post_norm_most_attentions_must_be_saturated(others: int, severity: Severity) -> None:
    calm = {f"calm{place}": (1.0 + place, 1.0, 1.0) for place in range(others)}
    of = attentions(a=(60.0, 1.0, 1.0), **calm).model_copy(update={"trunk_normalized": True})
    assert only(of).severity is severity


def test_a_single_attention_has_no_range() -> None:
    assert "up to" not in only(attentions(a=(20.0, 1.0, 1.0))).message


@pytest.mark.parametrize("special", [{"reaches_loss": False}, {"kind": "norm"}])
def test_which_attentions_are_not_judged(special: dict[str, Any]) -> None:
    assert judge(SaturatedAttention, attentive(60.0, q=special, k=special)) == []


def test_saturated_attention_explains_the_lost_gradient() -> None:
    found = only(attentive(20.0))
    assert explains(SaturatedAttention, found, "IH301")
    assert explains(SaturatedAttention, found, "IH406", step=1)
    assert not explains(SaturatedAttention, found, "IH302")

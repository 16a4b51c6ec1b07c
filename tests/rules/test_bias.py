"""When a bias dominates a layer's output, and the text of the cause."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Measurement, Recording
from inithealth.rules.bias import BiasAware, bias_cause, caused_by_bias
from inithealth.rules.causality import Stage
from tests.rules.recordings import layer, signal, weight


class Shut(BiasAware):
    """Units are inactive."""

    code = "XY001"
    name = "shut-units"
    severity = Severity.WARNING
    rank = 20

    def check(self, recording: Recording) -> Iterator[Finding]:
        yield from ()


def biased(rms: float, *, mean: float = 0.0, **more: Any) -> Layer:
    """Return a layer whose weights have a gain of 1, with a bias."""
    bias = weight("fc.bias", rms, shape=(96,), mean=mean, fan_in=None, fan_out=None).model_dump()
    return layer("fc", 0, **{"weight": {"rms": 96**-0.5}, "bias": bias, **more})


def ruled(one: Layer, reads: Any = 1.0, **options: Any) -> bool:
    level = signal(reads) if isinstance(reads, float) else reads
    return Shut(**options).bias_dominates(one, Measurement(layer="fc", input=level))


@pytest.mark.parametrize(("rms", "expected"), [(5.1, True), (4.9, False)])
def test_a_bias_dominates_if_it_is_more_than_five_times_as_large(rms: float, expected: bool) -> None:
    assert ruled(biased(rms)) is expected
    assert ruled(biased(2 * rms), 2.0) is expected
    assert ruled(biased(2 * rms, weight={"rms": 2 * 96**-0.5})) is expected
    assert ruled(biased(2 * rms), bias_dominance=10.0) is expected


def test_a_bias_at_the_limit_does_not_dominate() -> None:
    one = biased(8.0, weight={"rms": 1.0, "fan_in": 4})  # a gain of exactly 2
    assert not ruled(one, 2.0, bias_dominance=2.0)
    assert ruled(one, 2.0, bias_dominance=1.99)


@pytest.mark.parametrize(("rms", "expected"), [(3.0, False), (3.1, True)])
def test_a_small_bias_never_dominates(rms: float, expected: bool) -> None:
    """However small the weights are."""
    assert ruled(biased(rms), 1e-3) is expected
    assert ruled(biased(rms), 1e-3, max_bias_rms=2.9) is True
    assert ruled(biased(rms), 1e-3, max_bias_rms=3.2) is False


def test_a_non_finite_bias_is_not_judged() -> None:
    assert not ruled(biased(float("nan")))


@pytest.mark.parametrize(("rms", "expected"), [(0.9e6, False), (1.1e6, True)])
def test_a_normalization_removes_all_but_a_huge_bias(rms: float, expected: bool) -> None:
    assert ruled(biased(rms, normed=True)) is expected
    assert ruled(biased(rms, normed=True), bias_dominance_normed=1e3)
    assert ruled(biased(rms, normed=True), bias_dominance=1e9) is expected


@pytest.mark.parametrize("reads", [None, signal(1e-3, non_finite=1), signal(float("inf"))])
def test_an_unmeasured_input_counts_as_one(reads: Any) -> None:
    assert ruled(biased(5.1), reads)
    assert not ruled(biased(4.9), reads)


def test_weights_without_a_gain_count_as_one() -> None:
    """A vector has no fan_in."""
    vector = {"fan_in": None, "fan_out": None, "shape": (96,), "rms": 100.0}
    assert ruled(biased(5.1, weight=vector))
    assert not ruled(biased(4.9, weight=vector))


@pytest.mark.parametrize(
    "change", [{"feeds": "unknown"}, {"bias": None}, {"weight": {"rms": 0.1, "abs_max": 0.0}}], ids=str
)
def test_a_bias_with_zero_weights_is_intentional(change: dict[str, Any]) -> None:
    assert ruled(biased(100.0))
    assert not ruled(biased(100.0, **change))


def test_a_layer_without_a_weight_is_not_judged() -> None:
    assert not ruled(biased(100.0).model_copy(update={"weight": None}))


def test_a_cause_names_the_means_of_three_biases() -> None:
    layers = [biased(5.0, mean=float(mean)) for mean in (-5, 6, 7, 8)]
    assert bias_cause(layers[:1]) == "bias of mean -5 outweighs the weights' contribution"
    assert "-5, 6, 7 outweighs" in bias_cause(layers)
    assert "-5, 7 outweighs" in bias_cause([layers[0], biased(5.0, bias=None), layers[2], layers[3]])


def found(variant: str) -> Finding:
    return Shut().finding([biased(5.0)], "shut", variant=variant)


def test_a_finding_is_caused_by_a_bias_if_its_variant_says_so() -> None:
    assert caused_by_bias(found("bias"))
    assert not caused_by_bias(found("large"))
    assert not caused_by_bias(found(""))


def test_a_bias_precedes_other_causes_of_the_rule() -> None:
    assert Shut().order(found("bias")) == Stage.DOMINANT_BIAS < Stage.ZERO_WEIGHTS
    assert Shut().order(found("")) == 20

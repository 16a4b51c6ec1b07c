"""Embeddings and normalization weights outside the expected range, in octaves."""

from __future__ import annotations

import math
from typing import Any

import pytest

from inithealth.evidence.vector_scale import (
    VectorLimits,
    embedding_deviations,
    frequency_deviations,
    norm_deviations,
)
from inithealth.recording import Loss, Recording
from tests.rules.recordings import layer, measured, recording, signal, stack, weight

WIDE = Loss(logits_std=9.0)


def embedded(rms: float, **more: Any) -> Recording:
    tied = more.pop("tied_to", ())
    return recording((layer("embed", 0, kind="embedding", weight={"rms": rms, "tied_to": tied}),), (), **more)


@pytest.mark.parametrize(
    ("of", "octaves"),
    [
        (embedded(4.0), None),
        (embedded(4.1), math.log2(4.1)),
        (embedded(0.0), None),
        (embedded(1.0, tied_to=("head.weight",)), None),
        (embedded(1.0, tied_to=("head.weight",), loss=WIDE), math.log2(50)),
        (embedded(0.3, tied_to=("head.weight",), loss=WIDE), None),
        (embedded(1.0, loss=WIDE), None),
    ],
)
def test_large_embeddings(of: Recording, octaves: float | None) -> None:
    found = embedding_deviations(of, VectorLimits())
    assert {name: off.octaves for name, off in found.items()} == (
        {} if octaves is None else {"embed": pytest.approx(octaves)}
    )


def test_the_tolerated_deviation_and_the_usual_scale() -> None:
    (plain,) = embedding_deviations(embedded(8.0), VectorLimits()).values()
    (tied,) = embedding_deviations(embedded(1.0, tied_to=("head.weight",), loss=WIDE), VectorLimits()).values()
    assert (plain.tolerated, plain.usual, plain.whole) == (2.0, "embeddings usually have", False)
    assert (tied.tolerated, tied.usual) == (math.log2(15), "embeddings tied to the head usually have")


def test_only_embeddings_are_compared() -> None:
    assert embedding_deviations(recording((layer("fc", 0, weight={"rms": 100.0}),), ()), VectorLimits()) == {}


def norms(*rms: float) -> Recording:
    layers = (layer(f"n{at}", at, kind="norm", weight={"rms": size, "shape": (96,)}) for at, size in enumerate(rms))
    return recording((*layers, layer("fc", 99, weight={"rms": 9.0})), ())


@pytest.mark.parametrize(
    ("rms", "expected"),
    [
        ((), {}),
        ((0.0, 0.0), {}),
        ((1.0, 1.0, 4.0), {}),
        ((1.0, 1.0, 4.1), {"n2": 4.1}),
        ((1.0, 1.0, 0.24), {"n2": 0.24}),
        ((2.0, 2.0, 10.0, 0.0), {"n2": 5.0}),
        ((0.05, 0.05, 0.05), {}),
        ((0.04, 0.04, 0.04), {"n0": 0.04, "n1": 0.04, "n2": 0.04}),
        ((8.0, 8.0, 8.0), {}),
        ((8.1, 8.1, 1.0), {"n0": 8.1, "n1": 8.1}),
    ],
)
def test_norm_weights_are_compared_with_their_median_or_with_one(
    rms: tuple[float, ...], expected: dict[str, float]
) -> None:
    found = norm_deviations(norms(*rms), VectorLimits())
    assert {name: 2**off.octaves for name, off in found.items()} == pytest.approx(expected)


def test_the_reference_of_norms_as_text() -> None:
    (one,) = norm_deviations(norms(1.0, 1.0, 8.0), VectorLimits()).values()
    assert (one.tolerated, one.usual) == (2.0, "the median of the normalization weights is")
    assert {off.usual for off in norm_deviations(norms(0.01, 0.01), VectorLimits()).values()} == {
        "normalization weights usually start at"
    }


def putting_out(*pairs: tuple[float, float], bias: float | None = None) -> Recording:
    """Norms with the rms of their weight, and of what they put out."""
    vector = {"shape": (96,), "fan_in": None, "fan_out": None}
    shift = {} if bias is None else {"bias": weight("b", bias, **vector).model_dump()}
    layers = tuple(
        layer(f"n{at}", at, kind="norm", weight={"rms": rms, **vector}, **shift) for at, (rms, _) in enumerate(pairs)
    )
    return recording(layers, measured(layers, {f"n{at}": output for at, (_, output) in enumerate(pairs)}))


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (putting_out((10.0, 2.0), (8.0, 1.6)), {}),
        (putting_out((2000.0, 408.0), (1600.0, 327.0)), {"n0": 408.0, "n1": 327.0}),
        (putting_out((2000.0, 408.0), (10.0, 2.0), (10.0, 2.0)), {"n0": 204.0}),
        (putting_out((1.0, 0.03), (1.0, 0.03)), {}),  # the weight is not the reason
        (putting_out((1.0, 30.0), (1.0, 30.0)), {}),
        (putting_out((0.02, 0.004), (0.02, 0.004)), {"n0": 0.02, "n1": 0.02}),
        (putting_out((20.0, 0.9), (1.0, 1.0), (1.0, 1.0)), {}),
        (putting_out((1.0, 0.0), (1.0, 0.0), (1.0, 0.0)), {}),  # the input is zero
        (putting_out((10.0, 0.0), (1.0, 1.0), (1.0, 1.0)), {"n0": 10.0}),
        (putting_out((10.0, 5.0), (10.0, 5.0), bias=4.9), {"n0": 10.0, "n1": 10.0}),
        (putting_out((10.0, 10.5), (10.0, 10.5), bias=3.2), {"n0": 10.0, "n1": 10.0}),
    ],
)
def test_norms_are_compared_by_their_output_too(of: Recording, expected: dict[str, float]) -> None:
    found = norm_deviations(of, VectorLimits())
    assert {name: 2**off.octaves for name, off in found.items()} == pytest.approx(expected)
    assert all(off.restored for off in found.values())


def test_a_norm_whose_output_is_not_that_of_its_weight_is_described() -> None:
    (one, _) = norm_deviations(putting_out((2000.0, 400.0), (2000.0, 400.0)), VectorLimits()).values()
    assert one.usual == "its output has rms 400, and one of rms 1 needs"


def test_an_output_that_is_not_finite_says_nothing() -> None:
    of = putting_out((10.0, 1.0), (10.0, 1.0))
    broken = tuple(m.model_copy(update={"output": signal(1.0, non_finite=1)}) for m in of.steps[0].layers)
    assert len(norm_deviations(recording(of.layers, broken), VectorLimits())) == 2


@pytest.mark.parametrize(("step", "amount"), [(12.5, 0), (12.6, 1), (None, 0)])
def test_two_turns_between_neighboring_samples(step: float | None, amount: int) -> None:
    layers = stack(fc0={"activation": "sin", "reads_input": True})
    of = recording(layers, measured(layers, fc0={"phase_step": step}))
    found = frequency_deviations(of, VectorLimits())
    assert len(found) == amount
    if amount and step:
        assert found["fc0"].octaves == pytest.approx(math.log2(step / math.pi))
        assert found["fc0"].tolerated == 2.0

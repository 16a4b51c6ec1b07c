"""Networks whose weights are all too large or too small, relative to fan schemes or to one std."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest

from inithealth.evidence.global_scale import GlobalLimits, global_offsets, with_the_rest
from inithealth.recording import Layer
from tests.rules.recordings import layer

FANS = (64, 256, 64, 256, 128)


def square(name: str, fan: int, rms: float, **more: Any) -> Layer:
    return layer(name, 0, weight={"shape": (fan, fan), "fan_in": fan, "fan_out": fan, "rms": rms}, **more)


def by_gain(gain: float, fans: Sequence[int] = FANS, **more: Any) -> list[Layer]:
    return [square(f"l{at}", fan, gain / math.sqrt(fan), **more) for at, fan in enumerate(fans)]


def by_std(std: float, fans: Sequence[int] = FANS) -> list[Layer]:
    return [square(f"l{at}", fan, std) for at, fan in enumerate(fans)]


def off(layers: Sequence[Layer], **limits: Any) -> dict[str, float]:
    return global_offsets(layers, GlobalLimits(**limits))


@pytest.mark.parametrize(
    ("gain", "octaves"),
    [(1.0, None), (2.8, None), (2.9, 1.0356), (8.0, 2.5), (0.3, None), (0.28, -1.044), (0.1, -2.53)],
)
def test_layers_of_one_gain_are_compared_with_the_schemes_by_fan(gain: float, octaves: float | None) -> None:
    """Before a ReLU, gains from 1 / sqrt(3) to sqrt(2) are common."""
    found = off(by_gain(gain))
    assert found == ({} if octaves is None else {f"l{at}": pytest.approx(octaves, abs=0.01) for at in range(5)})


@pytest.mark.parametrize(
    ("std", "octaves"), [(0.02, None), (0.1, None), (0.11, 1.1375), (0.4, 3.0), (0.005, None), (0.0045, -1.152)]
)
def test_layers_of_one_std_are_compared_with_the_common_stds(std: float, octaves: float | None) -> None:
    found = off(by_std(std))
    assert found == ({} if octaves is None else {f"l{at}": pytest.approx(octaves, abs=0.01) for at in range(5)})


def test_the_nearer_reference_counts_if_the_fans_do_not_decide() -> None:
    fans = (96,) * 5
    assert off(by_std(0.2, fans)) == {}  # 2 octaves above the common stds, 0.5 above the gains
    assert list(off(by_std(0.4, fans)).values()) == pytest.approx([math.log2(0.4 * 96**0.5 / 2**0.5)] * 5)
    assert off(by_std(0.008, fans)) == {}
    assert list(off(by_std(0.002, fans)).values()) == pytest.approx([math.log2(0.2)] * 5)


@pytest.mark.parametrize(("others", "expected"), [(1, 4), (2, 0)])
def test_nearly_all_layers_deviate_in_one_direction(others: int, expected: int) -> None:
    layers = [*by_gain(8.0)[others:], *by_gain(1.0)[:others]]
    assert len(off(layers, min_spread_of_law=9.0)) == expected
    assert len(off([*by_gain(8.0)[others:], *by_gain(0.1)[:others]], min_spread_of_law=9.0)) == expected


@pytest.mark.parametrize(
    "left_out",
    [
        {"head": True},
        {"ends_branch": True},
        {"kind": "embedding"},
        {"reaches_loss": False},
        {"transformed": True},
        {"weight": None},
    ],
)
def test_layers_without_evidence_are_ignored(left_out: dict[str, Any]) -> None:
    four = by_gain(8.0)[:4]
    assert len(off(four)) == 4
    one = four[0].model_copy(update=left_out)
    assert off([one, *four[1:]]) == {}
    assert len(off([one, *by_gain(8.0)[1:]])) == 4


@pytest.mark.parametrize("weight", [{"trainable": False}, {"rms": 0.0}, {"rms": math.inf}, {"fan_in": None}])
def test_weights_not_initialized_at_random_are_ignored(weight: dict[str, Any]) -> None:
    four = by_gain(8.0)[:4]
    assert four[0].weight is not None
    odd = four[0].model_copy(update={"weight": four[0].weight.model_copy(update=weight)})
    assert off([odd, *four[1:]]) == {}


@pytest.mark.parametrize(("fan", "amount"), [(7, 0), (8, 4)])
def test_narrow_layers_are_ignored(fan: int, amount: int) -> None:
    assert len(off(by_gain(8.0, (fan, 256, 64, 256)))) == amount


def test_small_layers_inside_branches_need_small_layers_outside() -> None:
    inside = by_gain(0.1, bypassable=True)
    assert off(inside) == {}
    assert len(off([*inside, square("stem", 64, 0.1 / 8)])) == 6
    assert len(off([*inside, square("stem", 64, 0.1 / 8, head=True)])) == 5
    assert len(off([*inside, square("stem", 64, 1.0 / 8)], min_spread_of_law=9.0)) == 0
    assert len(off(by_gain(8.0, bypassable=True))) == 5


def test_a_law_by_fan_out_is_a_fan_scheme() -> None:
    shapes = [(64, 256), (256, 64), (128, 64), (64, 128)]
    layers = [
        layer(f"l{at}", 0, weight={"shape": (b, a), "fan_in": a, "fan_out": b, "rms": 8.0 / math.sqrt(b)})
        for at, (a, b) in enumerate(shapes)
    ]
    assert set(off(layers)) == {"l0", "l1", "l2", "l3"}


DECODER = ((64, 64), (192, 64), (128, 32), (96, 32))  # inputs and units: concatenations have more inputs


def by_law(gain: float, power: tuple[float, float]) -> list[Layer]:
    """Return layers with rms gain / sqrt(fan): of the inputs for (1, 0), of the units for (0, 1)."""
    a, b = power
    shapes = [{"fan_in": i, "fan_out": o, "rms": gain / math.sqrt(a * i + b * o)} for i, o in DECODER]
    return [layer(f"l{at}", 0, weight={"shape": (64, 64), **shape}) for at, shape in enumerate(shapes)]


@pytest.mark.parametrize("power", [(1.0, 0.0), (0.0, 1.0), (0.5, 0.5)])
def test_layers_are_compared_with_the_schemes_of_the_fan_that_they_use(power: tuple[float, float]) -> None:
    """A gain of 4.6 by the inputs is PyTorch's default times 8; by the units, three times as many inputs allow it."""
    found = off(by_law(4.6, power))
    assert list(found) == ["l0", "l1", "l2", "l3"]
    assert max(found.values()) == pytest.approx(math.log2(4.6 / 2**0.5))
    assert off(by_law(2.0, power)) == {}


def test_equal_stds_do_not_show_a_fan() -> None:
    """AutoInt draws all weights with a std of 0.9: the gain of the narrow layers is within the usual range."""
    shapes = [(8, 16)] * 4 + [(16, 16)] * 8
    layers = [
        layer(f"l{at}", 0, weight={"shape": (o, i), "fan_in": i, "fan_out": o, "rms": 0.9})
        for at, (i, o) in enumerate(shapes)
    ]
    assert off(layers) == {}


def test_layers_without_one_gain_are_compared_with_all_schemes() -> None:
    assert off(by_law(4.6, (1.0, 0.0)), min_spread_of_law=0.0) == {}


@pytest.mark.parametrize(("fan", "octaves"), [(24, math.log2(0.0072 * 24**0.5 / 0.08)), (96, None)])
def test_a_fixed_std_is_too_small_for_narrow_layers(fan: int, octaves: float | None) -> None:
    found = off(by_std(0.0072, (fan,) * 5))
    assert list(found.values()) == ([] if octaves is None else [pytest.approx(octaves)] * 5)
    assert off(by_std(0.0072, (fan,) * 5), min_gain_of_whole=0.06) == {}


def test_options() -> None:
    assert off(by_gain(8.0), octaves_of_whole=2.6) == {}
    assert off(by_gain(8.0)[:4], min_layers_of_law=5) == {}
    assert off(by_std(0.4), max_std_of_whole=0.3) == {}
    assert off(by_std(0.002), min_std_of_whole=0.001, min_gain_of_whole=0.016) == {}
    assert off(by_gain(8.0), min_fan_of_whole=65) == {}


def test_heads_and_ends_of_branches_that_deviate_alike_belong_to_it() -> None:
    layers = by_gain(8.0)
    head, end = square("head", 64, 1.0, head=True), square("end", 64, 1.0, ends_branch=True)
    usual, small = square("usual", 64, 0.125, head=True), square("small", 64, 0.001, head=True)
    found = with_the_rest([*layers, head, end, usual, small], layers, GlobalLimits())
    assert [each.name for each in found] == [*(each.name for each in layers), "head", "end"]
    low = by_gain(0.05)
    found = with_the_rest([*low, head, usual, small], low, GlobalLimits())
    assert [each.name for each in found][5:] == ["small"]
    assert with_the_rest([*layers, head, usual], layers[:3], GlobalLimits()) == layers[:3]

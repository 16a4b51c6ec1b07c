"""Layers scaled by depth, by each measure that the layers inside the branches share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from inithealth.evidence.depth_scheme import DepthLimits, scaled_by_depth, scaled_twice, unscaled_ends
from inithealth.recording import Layer, Recording
from tests.rules.recordings import gpt, layer, recording

STD, BLOCKS = 0.02, 12
SCALED = STD / math.sqrt(2 * BLOCKS)
Sizes = float | Sequence[float]


def blocks(
    count: int = BLOCKS,
    *,
    enter: Sizes = STD,
    second: Sizes = STD,
    one: Sizes = STD,
    two: Sizes = SCALED,
    changes: Mapping[str, dict[str, Any]] | None = None,
) -> tuple[Layer, ...]:
    """Return square layers: two inside each branch, two that end one; ``changes`` are by role."""
    layers: list[Layer] = []
    for number in range(count):
        for role, sizes in {"enter": enter, "second": second, "one": one, "two": two}.items():
            ends = {"ends_branch": True, "feeds": "residual"} if role in ("one", "two") else {}
            change = {**ends, **(changes or {}).get(role, {})}
            rms = sizes if isinstance(sizes, float) else sizes[number]
            weight = {"rms": rms, **change.pop("weight", {})}
            known = {"bypassable": True, **change, "weight": weight}
            layers.append(layer(f"h.{number}.{role}", len(layers), **known))
    return tuple(layers)


def numbers(layers: Sequence[Layer], **more: Any) -> Recording:
    return recording(tuple(layers), (), branches=more.pop("branches", 2 * BLOCKS), **more)


def roles(layers: Sequence[Layer]) -> list[str]:
    return list(dict.fromkeys(each.name.rpartition(".")[2] for each in layers))


def missed(layers: Sequence[Layer], branches: int = 2 * BLOCKS, **limits: Any) -> list[str]:
    """Return the roles of the branch ends that are not scaled."""
    found = unscaled_ends(numbers(layers, branches=branches), DepthLimits(**limits))
    return roles(found.ends) if found is not None else []


def whole(layers: Sequence[Layer], branches: int = 2 * BLOCKS, **limits: Any) -> bool:
    return scaled_by_depth(numbers(layers, branches=branches), DepthLimits(**limits))


def test_scaled_and_unscaled_layers_are_returned() -> None:
    found = unscaled_ends(numbers(blocks()), DepthLimits())
    assert found is not None
    assert [each.name for each in found.ends] == [f"h.{number}.one" for number in range(BLOCKS)]
    assert [each.name for each in found.scaled] == [f"h.{number}.two" for number in range(BLOCKS)]
    assert (found.misplaced, found.branches) == ([], 24)


@pytest.mark.parametrize(
    ("factor", "branches", "counted"),
    [(24, 0, 24), (12, 0, 12), (36, 36, 36), (2, 2, 2), (36, 0, None), (1, 1, None), (0.9, 1, None)],
)
def test_the_number_of_branches_of_a_scale(factor: float, branches: int, counted: int | None) -> None:
    """Twice the blocks, the blocks, or the branches of the network; 1 is not a scale."""
    found = unscaled_ends(numbers(blocks(two=STD / math.sqrt(factor)), branches=branches), DepthLimits())
    assert (found.branches if found is not None and found.ends else None) == counted


@pytest.mark.parametrize(("off", "close"), [(0.91, True), (0.89, False), (1.09, True), (1.12, False)])
def test_the_square_root_is_matched_approximately(off: float, close: bool) -> None:
    assert (missed(blocks(two=SCALED * off), branches=0) == ["one"]) is close
    assert whole(blocks(one=SCALED * off, two=SCALED * off), branches=0) is close


def test_the_square_root_is_matched_within_a_limit() -> None:
    layers = blocks(two=SCALED * 0.85)
    assert missed(layers) == []
    assert missed(layers, max_depth_difference=0.16) == ["one"]


@pytest.mark.parametrize(("off", "close"), [(0.96, True), (0.94, False), (1.04, True), (1.06, False)])
def test_layers_of_one_scale_are_matched_approximately(off: float, close: bool) -> None:
    assert bool(missed(blocks(second=STD * off))) is close
    assert bool(missed(blocks(second=STD * off), max_difference=0.07)) is True
    assert missed(blocks(second=STD * off), max_difference=0.0) == []


@pytest.mark.parametrize(("size", "left_out"), [(0.96, True), (0.94, False), (5.0, True)])
def test_an_end_that_is_not_smaller_than_usual_is_unscaled(size: float, left_out: bool) -> None:
    assert missed(blocks(one=STD * size)) == (["one"] if left_out else [])


def test_the_usual_scale_is_that_of_several_roles() -> None:
    assert missed(blocks(), min_roles=3) == []
    assert missed(blocks(), min_roles=2) == ["one"]
    assert missed(blocks(second=0.5)) == []
    # Two of three roles agree, and the third is not scaled by depth: there is no usual scale.
    third = [layer(f"h.{number}.third", 100 + number, bypassable=True, weight={"rms": 0.5}) for number in range(12)]
    assert missed([*blocks(), *third]) == []
    assert missed([*blocks(), *third], min_roles=1) == []


@pytest.mark.parametrize(("count", "judged"), [(3, True), (2, False)])
def test_a_few_blocks_are_no_evidence(count: int, judged: bool) -> None:
    layers = blocks(count, two=STD / math.sqrt(2 * count))
    assert bool(missed(layers, branches=0)) is judged
    both = blocks(count, one=STD / math.sqrt(2 * count), two=STD / math.sqrt(2 * count))
    assert whole(both, branches=0) is judged
    assert missed(layers, branches=0, min_blocks=2) == ["one"]
    assert missed(layers, branches=0, min_blocks=4) == []
    assert not whole(both, branches=0, min_blocks=4)


@pytest.mark.parametrize("count", [3, 4, 5])
def test_a_wide_feed_forward_layer_in_a_few_blocks_is_not_depth_scaling(count: int) -> None:
    """By fan_out, layers that widen by four make the attention's layers look smaller by sqrt(4)."""
    layers = gpt(count, attention=STD / math.sqrt(2 * count), output=STD)
    assert missed(layers, branches=2 * count) == ["w2"]
    assert missed(gpt(count, attention=STD, output=STD), branches=2 * count) == []


def test_the_scale_of_a_role_is_its_median() -> None:
    odd = [SCALED] * 7 + [STD] * 5
    assert missed(blocks(two=odd)) == ["one"]
    assert missed(blocks(two=odd[::-1])) == ["one"]
    assert missed(blocks(two=[SCALED] * 5 + [STD] * 7)) == []


def test_a_scale_by_the_number_of_blocks_so_far() -> None:
    """Tested with three blocks; with more, the middle block's factor is nearly the square root of their number."""
    growing = [STD / math.sqrt(2 * (number + 1)) for number in range(3)]
    found = unscaled_ends(numbers(blocks(3, two=growing), branches=0), DepthLimits())
    assert found is not None
    assert (roles(found.ends), found.branches) == (["one"], 6)
    assert whole(blocks(3, one=growing, two=growing), branches=0)
    assert missed(blocks(3, two=growing[::-1]), branches=0) == []
    assert missed(blocks(3, two=[growing[0], growing[1], STD]), branches=0) == []


MEASURES = {
    "std": lambda fan_in, fan_out: STD,
    "fan_in": lambda fan_in, fan_out: fan_in**-0.5,
    "fan_out": lambda fan_in, fan_out: fan_out**-0.5,
    "both": lambda fan_in, fan_out: ((fan_in + fan_out) / 2) ** -0.5,
}


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("left_out", [True, False])
def test_each_scheme_has_its_measure(measure: str, left_out: bool) -> None:
    """With layers of four shapes, each scheme gives equal scales by one measure only."""
    shapes = {"enter": (96, 700), "second": (500, 96), "one": (330, 96), "two": (96, 240)}
    std = {role: MEASURES[measure](fan_in, fan_out) for role, (fan_in, fan_out) in shapes.items()}
    fans = {role: {"weight": {"fan_in": fan_in, "fan_out": fan_out}} for role, (fan_in, fan_out) in shapes.items()}
    root = math.sqrt(24)
    std |= {"two": std["two"] / root} | ({} if left_out else {"one": std["one"] / root})
    layers = blocks(**std, changes=fans)
    assert missed(layers) == (["one"] if left_out else [])
    assert whole(layers) is not left_out


def test_unscaled_layers_are_unscaled_by_every_measure() -> None:
    """The end has the usual std, but is scaled by fan_in, which the layers inside share, too."""
    wide = {"weight": {"fan_in": 4}}
    assert missed(blocks(one=STD)) == ["one"]
    assert missed(blocks(one=STD, changes={"one": wide})) == []


@pytest.mark.parametrize(
    "change",
    [
        {"bypassable": False, "ends_branch": False},
        {"normed": True},
        {"kind": "norm"},
        {"kind": "embedding"},
        {"weight": {"trainable": False}},
        {"weight": {"fan_in": None}},
        {"weight": {"fan_out": None}},
        {"weight": {"rms": 0.0}},
    ],
)
def test_layers_that_are_not_judged(change: dict[str, Any]) -> None:
    """Without the second role inside the branches there is no usual scale."""
    assert missed(blocks()) == ["one"]
    assert missed(blocks(changes={"second": change})) == []


@pytest.mark.parametrize("kind", ["linear", "conv", "bmm"])
def test_kinds_that_are_initialized_at_random(kind: str) -> None:
    every = {role: {"kind": kind} for role in ("enter", "second", "one", "two")}
    assert missed(blocks(changes=every)) == ["one"]


def test_nothing_is_unscaled_if_every_end_is_scaled() -> None:
    assert unscaled_ends(numbers(blocks(one=SCALED)), DepthLimits()) is None


def test_equal_scales_are_equal_without_a_tolerance() -> None:
    assert whole(blocks(one=SCALED), max_difference=0.0)
    assert missed(blocks(), max_difference=0.0) == []  # the end would have to be larger


def test_only_ends_unscaled_by_every_measure_count() -> None:
    """A third end has the usual std, and is scaled by fan_in."""
    wide = [
        layer(f"h.{n}.wide", 100 + n, bypassable=True, ends_branch=True, weight={"rms": STD, "fan_in": 4})
        for n in range(BLOCKS)
    ]
    assert missed([*blocks(), *wide]) == ["one"]


def test_ends_followed_by_a_norm_need_no_scale() -> None:
    normed = [layer(f"h.{n}.n", 100 + n, ends_branch=True, normed=True, weight={"rms": STD}) for n in range(BLOCKS)]
    assert whole([*blocks(one=SCALED), *normed])


def test_scaled_twice_by_the_only_shared_measure() -> None:
    """The layers inside are equal only by std."""
    fans = {
        role: {"weight": {"fan_in": 90 * at, "fan_out": 800 // at}} for at, role in enumerate(("enter", "second"), 1)
    }
    small = [layer(f"h.{n}.v", 100 + n, bypassable=True, weight={"rms": SCALED}) for n in range(BLOCKS)]
    assert roles(scaled_twice(numbers([*blocks(one=SCALED, changes=fans), *small]), DepthLimits())) == ["v"]


def test_an_end_does_not_need_a_skip_around_it() -> None:
    assert missed(blocks(changes={"one": {"bypassable": False}, "two": {"bypassable": False}})) == ["one"]


def test_a_layer_without_a_weight_is_ignored() -> None:
    bare = [layer(f"h.{n}.bare", 100 + n, bypassable=True).model_copy(update={"weight": None}) for n in range(12)]
    assert missed([*blocks(), *bare]) == ["one"]


def test_a_role_ends_branches_if_most_of_its_layers_do() -> None:
    def some(ending: int) -> list[Layer]:
        return [
            each.model_copy(update={"ends_branch": not each.name.endswith("one") or at // 4 < ending})
            if each.ends_branch
            else each
            for at, each in enumerate(blocks(one=SCALED))
        ]

    assert roles(scaled_twice(numbers(some(6)), DepthLimits())) == ["one"]
    assert scaled_twice(numbers(some(7)), DepthLimits()) == []


def test_trained_layers_have_no_scheme() -> None:
    trained = {role: {"weight": {"spectral_edge": 2.0}} for role in ("enter", "second", "one", "two")}
    assert missed(blocks(changes=trained)) == []


def test_a_small_layer_inside_a_branch_is_not_depth_scaling() -> None:
    """T5 divides queries by the square root of the head's width; a factor of a product counts like a branch end."""
    layers = blocks(two=STD)
    assert missed(layers) == []
    small = [layer(f"h.{n}.q", 100 + n, bypassable=True, weight={"rms": SCALED}) for n in range(BLOCKS)]
    assert missed([*layers, *small]) == []
    gates = [each.model_copy(update={"feeds": "gate"}) for each in small]
    found = unscaled_ends(numbers([*layers, *gates]), DepthLimits())
    assert found is not None
    assert roles(found.ends) == ["one", "two"]
    assert roles(found.scaled) == roles(found.misplaced) == ["q"]
    assert found.branches == 24


def test_a_scaled_end_is_better_evidence_than_a_gate() -> None:
    gates = [layer(f"h.{n}.a", n, bypassable=True, feeds="gate", weight={"rms": SCALED}) for n in range(BLOCKS)]
    found = unscaled_ends(numbers([*gates, *blocks()]), DepthLimits())
    assert found is not None
    assert (roles(found.scaled), roles(found.misplaced)) == (["two"], ["a"])


def test_ends_and_inner_layers_are_both_scaled() -> None:
    layers = blocks(one=SCALED)
    assert scaled_twice(numbers(layers), DepthLimits()) == []
    small = [layer(f"h.{n}.v", 100 + n, bypassable=True, weight={"rms": SCALED}) for n in range(BLOCKS)]
    found = scaled_twice(numbers([*layers, *small]), DepthLimits())
    assert [each.name for each in found] == [f"h.{n}.v" for n in range(BLOCKS)]
    assert scaled_twice(numbers([*blocks(), *small]), DepthLimits()) == []  # an unscaled end is the fault
    assert scaled_twice(numbers([*blocks(two=STD), *small]), DepthLimits()) == []
    assert scaled_twice(numbers(layers[:0]), DepthLimits()) == []


def test_scaled_twice_requires_every_measure() -> None:
    """Both are scaled by std, but only one of them by fan_in."""
    small = [layer(f"h.{n}.v", 100 + n, bypassable=True, weight={"rms": SCALED}) for n in range(BLOCKS)]
    wide = [layer(f"h.{n}.u", 200 + n, bypassable=True, weight={"rms": SCALED, "fan_in": 48}) for n in range(BLOCKS)]
    assert roles(scaled_twice(numbers([*blocks(one=SCALED), *small, *wide]), DepthLimits())) == ["v", "u"]


def test_scaled_by_depth_requires_every_end() -> None:
    assert whole(blocks(one=SCALED))
    assert not whole(blocks())
    assert not whole(blocks(one=STD, two=STD))
    assert not whole([each for each in blocks() if not each.ends_branch])
    assert not whole([each for each in blocks(one=SCALED) if each.ends_branch])

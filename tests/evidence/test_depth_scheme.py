"""Which layers are scaled by depth, by each measure that the layers inside the branches share."""

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
    """Square layers: two within each branch, two that end one; ``changes`` by role."""
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
    """Roles of the branch ends that were left out."""
    found = unscaled_ends(numbers(layers, branches=branches), DepthLimits(**limits))
    return roles(found.ends) if found is not None else []


def whole(layers: Sequence[Layer], branches: int = 2 * BLOCKS, **limits: Any) -> bool:
    return scaled_by_depth(numbers(layers, branches=branches), DepthLimits(**limits))


def test_the_layers_that_were_left_out_and_those_that_were_not() -> None:
    found = unscaled_ends(numbers(blocks()), DepthLimits())
    assert found is not None
    assert [each.name for each in found.ends] == [f"h.{number}.one" for number in range(BLOCKS)]
    assert [each.name for each in found.scaled] == [f"h.{number}.two" for number in range(BLOCKS)]
    assert (found.misplaced, found.branches) == ([], 24)


@pytest.mark.parametrize(
    ("factor", "branches", "counted"),
    [(24, 0, 24), (12, 0, 12), (36, 36, 36), (2, 2, 2), (36, 0, None), (1, 1, None), (0.9, 1, None)],
)
def test_the_number_that_a_scale_is_for(factor: float, branches: int, counted: int | None) -> None:
    """Twice the blocks, the blocks, or the branches that the network has; 1 is no scale."""
    found = unscaled_ends(numbers(blocks(two=STD / math.sqrt(factor)), branches=branches), DepthLimits())
    assert (found.branches if found is not None and found.ends else None) == counted


@pytest.mark.parametrize(("off", "close"), [(0.91, True), (0.89, False), (1.09, True), (1.12, False)])
def test_the_root_is_met_nearly(off: float, close: bool) -> None:
    assert (missed(blocks(two=SCALED * off), branches=0) == ["one"]) is close
    assert whole(blocks(one=SCALED * off, two=SCALED * off), branches=0) is close


def test_the_root_is_met_within_a_limit() -> None:
    layers = blocks(two=SCALED * 0.85)
    assert missed(layers) == []
    assert missed(layers, max_depth_difference=0.16) == ["one"]


@pytest.mark.parametrize(("off", "close"), [(0.96, True), (0.94, False), (1.04, True), (1.06, False)])
def test_layers_of_one_size_are_so_nearly(off: float, close: bool) -> None:
    assert bool(missed(blocks(second=STD * off))) is close
    assert bool(missed(blocks(second=STD * off), max_difference=0.07)) is True
    assert missed(blocks(second=STD * off), max_difference=0.0) == []


@pytest.mark.parametrize(("size", "left_out"), [(0.96, True), (0.94, False), (5.0, True)])
def test_an_end_is_left_out_where_it_is_no_smaller_than_usual(size: float, left_out: bool) -> None:
    assert missed(blocks(one=STD * size)) == (["one"] if left_out else [])


def test_the_usual_size_is_that_of_several_roles() -> None:
    assert missed(blocks(), min_roles=3) == []
    assert missed(blocks(), min_roles=2) == ["one"]
    assert missed(blocks(second=0.5)) == []
    # Of three roles two agree, and the third is no scaling by depth: there is no usual size.
    third = [layer(f"h.{number}.third", 100 + number, bypassable=True, weight={"rms": 0.5}) for number in range(12)]
    assert missed([*blocks(), *third]) == []
    assert missed([*blocks(), *third], min_roles=1) == []


@pytest.mark.parametrize(("count", "judged"), [(3, True), (2, False)])
def test_a_few_blocks_tell_nothing(count: int, judged: bool) -> None:
    layers = blocks(count, two=STD / math.sqrt(2 * count))
    assert bool(missed(layers, branches=0)) is judged
    both = blocks(count, one=STD / math.sqrt(2 * count), two=STD / math.sqrt(2 * count))
    assert whole(both, branches=0) is judged
    assert missed(layers, branches=0, min_blocks=2) == ["one"]
    assert missed(layers, branches=0, min_blocks=4) == []
    assert not whole(both, branches=0, min_blocks=4)


@pytest.mark.parametrize("count", [3, 4, 5])
def test_a_wide_feed_forward_layer_of_a_few_blocks_is_no_scaling(count: int) -> None:
    """By fan_out the layers that widen by four look as if those of the attention were smaller by sqrt(4)."""
    layers = gpt(count, attention=STD / math.sqrt(2 * count), output=STD)
    assert missed(layers, branches=2 * count) == ["w2"]
    assert missed(gpt(count, attention=STD, output=STD), branches=2 * count) == []


def test_a_size_is_measured_by_the_middle_of_its_role() -> None:
    odd = [SCALED] * 7 + [STD] * 5
    assert missed(blocks(two=odd)) == ["one"]
    assert missed(blocks(two=odd[::-1])) == ["one"]
    assert missed(blocks(two=[SCALED] * 5 + [STD] * 7)) == []


def test_a_scale_that_counts_the_blocks_up() -> None:
    """In three blocks; in more of them the middle block's factor is nearly the root of their number."""
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
    """Layers of four shapes, of which one scheme makes one size: by no other measure are those within alike."""
    shapes = {"enter": (96, 700), "second": (500, 96), "one": (330, 96), "two": (96, 240)}
    std = {role: MEASURES[measure](fan_in, fan_out) for role, (fan_in, fan_out) in shapes.items()}
    fans = {role: {"weight": {"fan_in": fan_in, "fan_out": fan_out}} for role, (fan_in, fan_out) in shapes.items()}
    root = math.sqrt(24)
    std |= {"two": std["two"] / root} | ({} if left_out else {"one": std["one"] / root})
    layers = blocks(**std, changes=fans)
    assert missed(layers) == (["one"] if left_out else [])
    assert whole(layers) is not left_out


def test_what_is_left_out_is_so_by_every_measure() -> None:
    """By its std the end is of the usual size; by fan_in, which the layers within share too, it is scaled."""
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
    """Without the second role within the branches no size is usual."""
    assert missed(blocks()) == ["one"]
    assert missed(blocks(changes={"second": change})) == []


@pytest.mark.parametrize("kind", ["linear", "conv", "bmm"])
def test_kinds_that_are_drawn(kind: str) -> None:
    every = {role: {"kind": kind} for role in ("enter", "second", "one", "two")}
    assert missed(blocks(changes=every)) == ["one"]


def test_where_every_end_is_scaled_none_was_left_out() -> None:
    assert unscaled_ends(numbers(blocks(one=SCALED)), DepthLimits()) is None


def test_without_a_tolerance_equal_sizes_are_equal() -> None:
    assert whole(blocks(one=SCALED), max_difference=0.0)
    assert missed(blocks(), max_difference=0.0) == []  # the end has to be larger than that much below


def test_of_several_ends_only_those_count_that_are_left_out_by_every_measure() -> None:
    """A third end is of the usual std, and by fan_in it is scaled."""
    wide = [
        layer(f"h.{n}.wide", 100 + n, bypassable=True, ends_branch=True, weight={"rms": STD, "fan_in": 4})
        for n in range(BLOCKS)
    ]
    assert missed([*blocks(), *wide]) == ["one"]


def test_ends_that_a_norm_follows_need_no_scale() -> None:
    normed = [layer(f"h.{n}.n", 100 + n, ends_branch=True, normed=True, weight={"rms": STD}) for n in range(BLOCKS)]
    assert whole([*blocks(one=SCALED), *normed])


def test_scaled_twice_by_the_one_measure_that_is_shared() -> None:
    """By no other measure than the std are those within alike."""
    fans = {
        role: {"weight": {"fan_in": 90 * at, "fan_out": 800 // at}} for at, role in enumerate(("enter", "second"), 1)
    }
    small = [layer(f"h.{n}.v", 100 + n, bypassable=True, weight={"rms": SCALED}) for n in range(BLOCKS)]
    assert roles(scaled_twice(numbers([*blocks(one=SCALED, changes=fans), *small]), DepthLimits())) == ["v"]


def test_an_end_need_not_have_a_skip_around_it() -> None:
    assert missed(blocks(changes={"one": {"bypassable": False}, "two": {"bypassable": False}})) == ["one"]


def test_a_layer_without_a_weight_is_passed_over() -> None:
    bare = [layer(f"h.{n}.bare", 100 + n, bypassable=True).model_copy(update={"weight": None}) for n in range(12)]
    assert missed([*blocks(), *bare]) == ["one"]


def test_a_role_ends_branches_where_most_of_its_layers_do() -> None:
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


def test_a_small_layer_within_a_branch_shows_no_scaling() -> None:
    """T5 divides queries by the root of the head's width; a factor of a product is as good as the branch's end."""
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


def test_ends_scaled_and_layers_within_too() -> None:
    layers = blocks(one=SCALED)
    assert scaled_twice(numbers(layers), DepthLimits()) == []
    small = [layer(f"h.{n}.v", 100 + n, bypassable=True, weight={"rms": SCALED}) for n in range(BLOCKS)]
    found = scaled_twice(numbers([*layers, *small]), DepthLimits())
    assert [each.name for each in found] == [f"h.{n}.v" for n in range(BLOCKS)]
    assert scaled_twice(numbers([*blocks(), *small]), DepthLimits()) == []  # an end was left out: that is the fault
    assert scaled_twice(numbers([*blocks(two=STD), *small]), DepthLimits()) == []
    assert scaled_twice(numbers(layers[:0]), DepthLimits()) == []


def test_scaled_twice_is_so_by_every_measure() -> None:
    """Both are scaled by their std; by fan_in only one of them is."""
    small = [layer(f"h.{n}.v", 100 + n, bypassable=True, weight={"rms": SCALED}) for n in range(BLOCKS)]
    wide = [layer(f"h.{n}.u", 200 + n, bypassable=True, weight={"rms": SCALED, "fan_in": 48}) for n in range(BLOCKS)]
    assert roles(scaled_twice(numbers([*blocks(one=SCALED), *small, *wide]), DepthLimits())) == ["v", "u"]


def test_scaled_by_depth_takes_every_end() -> None:
    assert whole(blocks(one=SCALED))
    assert not whole(blocks())
    assert not whole(blocks(one=STD, two=STD))
    assert not whole([each for each in blocks() if not each.ends_branch])
    assert not whole([each for each in blocks(one=SCALED) if each.ends_branch])

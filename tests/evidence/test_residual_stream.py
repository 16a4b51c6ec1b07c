"""The residual stream: its branches, the input and output of each, and the growth that they cause."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from inithealth.evidence.residual_stream import Branch, branches, growth, growth_if_scaled, growth_without_norms
from inithealth.recording import Layer, Recording
from tests.rules.recordings import layer, measured, recording, residual, signal, weight


def reader(name: str, index: int, **more: Any) -> Layer:
    return layer(name, index, reads_trunk=True, **more)


def end(name: str, index: int, **more: Any) -> Layer:
    return layer(name, index, **{"ends_branch": True, **more})


def numbers(*layers: Layer, **each: dict[str, Any]) -> Recording:
    """Return inputs and outputs of 1, except those given by name: {"input": signal(2.0)}."""
    known = {name: {side: s and s.model_dump() for side, s in sides.items()} for name, sides in each.items()}
    return recording(layers, measured(layers, **known))


def shape(of: Recording) -> list[tuple[list[str], float, float]]:
    return [([each.name for each in found.layers], found.level, found.added) for found in branches(of)]


BLOCK = (layer("stem", 0), reader("enter", 1), layer("inner", 2), end("leave", 3))


def test_a_branch_starts_at_the_residual_stream_and_ends_there() -> None:
    of = numbers(*BLOCK, layer("head", 4), enter={"input": signal(2.0)}, leave={"output": signal(3.0)})
    assert shape(of) == [(["enter", "inner", "leave"], 2.0, 3.0)]
    assert branches(of)[0].end.name == "leave"


def test_branches_follow_each_other_in_forward_order() -> None:
    second = (reader("enter2", 4), end("leave2", 5))
    of = numbers(*reversed((*BLOCK, *second)), enter2={"input": signal(5.0)}, leave2={"output": signal(7.0)})
    assert shape(of) == [(["enter", "inner", "leave"], 1.0, 1.0), (["enter2", "leave2"], 5.0, 7.0)]


def test_a_branch_that_does_not_read_the_residual_stream_is_ignored() -> None:
    first = (layer("a", 0), end("b", 1))
    assert shape(numbers(*first, reader("c", 2), end("d", 3))) == [(["c", "d"], 1.0, 1.0)]


def test_a_norm_does_not_end_a_branch() -> None:
    of = numbers(*BLOCK[:3], end("norm", 3, kind="norm"), end("leave", 4))
    assert shape(of) == [(["enter", "inner", "norm", "leave"], 1.0, 1.0)]


BROKEN = signal(3.0, non_finite=1)


@pytest.mark.parametrize(
    ("sides", "level"),
    [
        ({"enter": {"input": signal(2.0)}, "inner": {"input": signal(9.0)}}, 2.0),
        ({"enter": {"input": None}, "inner": {"input": signal(9.0)}}, 9.0),
        ({"enter": {"input": signal(0.0)}, "inner": {"input": signal(9.0)}}, 9.0),
        ({"enter": {"input": BROKEN}, "inner": {"input": signal(9.0)}}, 9.0),
        ({"enter": {"input": None}, "inner": {"input": None}}, None),
    ],
)
def test_the_level_is_the_input_of_the_first_measured_reader(sides: dict[str, Any], level: float | None) -> None:
    """Two layers read the trunk, like query and key; the branch starts at the first of them in both cases."""
    inner = reader("inner", 2)
    found = branches(numbers(BLOCK[1], inner, BLOCK[3], **sides))
    assert [(each.level, each.layers[0].name) for each in found] == ([(level, "enter")] if level else [])


def test_a_reader_that_was_not_called_is_ignored() -> None:
    layers = (BLOCK[1], reader("inner", 2), BLOCK[3])
    known = measured(layers[1:], inner={"input": signal(4.0).model_dump()})
    (found,) = branches(recording(layers, known))
    assert found.level == 4.0
    assert branches(recording(layers, measured(layers[:2]))) == []  # the output of the branch is not known


@pytest.mark.parametrize("output", [None, BROKEN, signal(math.inf)])
def test_there_is_no_branch_without_a_finite_output(output: Any) -> None:
    second = (reader("enter2", 4), end("leave2", 5))
    found = branches(numbers(*BLOCK, *second, leave={"output": output}))
    assert [[each.name for each in one.layers] for one in found] == [["enter2", "leave2"]]


@pytest.mark.parametrize(
    ("gain", "sides", "level"),
    [
        ({"rms": 0.5}, {"input": None, "output": signal(3.0)}, 6.0),
        ({"rms": 0.5}, {"input": signal(4.0), "output": signal(3.0)}, 4.0),
        ({"rms": 0.0}, {"input": None, "output": signal(3.0)}, None),
        ({"rms": 0.5}, {"input": None, "output": BROKEN}, None),
        ({"rms": 0.5}, {"input": None, "output": None}, None),
    ],
)
def test_the_gain_of_a_composed_norm(gain: dict[str, Any], sides: dict[str, Any], level: float | None) -> None:
    """It multiplies the output of the norm, and only its output is measured."""
    own = reader("gain", 1, kind="scale", weight={"shape": (96,), "fan_in": None, "fan_out": None, **gain})
    found = branches(numbers(own, end("leave", 2), gain=sides))
    assert [each.level for each in found] == ([level] if level else [])


def test_only_a_scale_is_divided_by_its_weight() -> None:
    assert branches(numbers(reader("enter", 0), end("leave", 1), enter={"input": None})) == []
    bare = reader("gain", 0, kind="scale").model_copy(update={"weight": None})
    assert branches(numbers(bare, end("leave", 1), gain={"input": None})) == []


@pytest.mark.parametrize(
    ("scales", "added"), [((), 3.0), (("ls1",), 0.3), (("ls2.gamma",), 0.6), (("ls1", "ls2"), 0.06), (("other",), 3.0)]
)
def test_learned_scales_after_a_branch_reduce_it(scales: tuple[str, ...], added: float) -> None:
    """They are found by the layer's name and by the parameter's."""
    gains = [
        layer("ls1", 8, kind="scale", weight={"rms": 0.1}),
        layer("ls2", 9, kind="scale").model_copy(update={"weight": weight("ls2.gamma", 0.2)}),
        layer("bare", 10).model_copy(update={"weight": None}),
    ]
    of = numbers(*BLOCK[1:3], end("leave", 3, scales=scales), *gains, leave={"output": signal(3.0)})
    assert branches(of)[0].added == pytest.approx(added)


@pytest.mark.parametrize(
    ("change", "normed"),
    [({}, False), ({"kind": "norm"}, True), ({"normed": True}, True), ({"reads_norm": True}, True)],
)
def test_a_norm_anywhere_in_the_branch_counts(change: dict[str, Any], normed: bool) -> None:
    inner = layer("inner", 1, **change)
    assert Branch((reader("enter", 0), inner, end("leave", 2)), 1.0, 1.0).normed is normed


@pytest.mark.parametrize(("level", "added", "grown"), [(1.0, 0.0, 1.0), (3.0, 4.0, 5 / 3), (0.5, 0.5, 2**0.5)])
def test_independent_signals_add_by_their_squares(level: float, added: float, grown: float) -> None:
    assert Branch((layer("end", 0),), level, added).growth == pytest.approx(grown)


def line(*pairs: tuple[float, float]) -> list[Branch]:
    return [Branch((layer("end", 0),), level, added) for level, added in pairs]


def test_growth_is_the_smaller_of_both_estimates() -> None:
    assert growth([]) == 1.0
    assert growth(line((3.0, 4.0))) == pytest.approx(5 / 3)
    # Both estimates agree: 1, then 5/3, then 25/9.
    assert growth(line((3.0, 4.0), (5.0, 20 / 3))) == pytest.approx(25 / 9)
    # The trunk grows by itself: only what is added counts.
    assert growth(line((3.0, 4.0), (500.0, 0.0))) == pytest.approx(5 / 3)
    # The output of the branches does not arrive: only the inputs count, and the last branch's output.
    assert growth(line((3.0, 400.0), (6.0, 8.0))) == pytest.approx(6 / 3 * 5 / 3)
    # The trunk is largest in the middle.
    assert growth(line((3.0, 400.0), (30.0, 0.0), (6.0, 8.0))) == pytest.approx(30 / 3 * 5 / 3)


def test_growth_beyond_the_float_range_is_finite() -> None:
    assert growth(line(*[(1.0, 1e30)] * 50)) == pytest.approx(1e30)
    assert growth(line((1e-150, 1e150), (1e150, 1e150))) == pytest.approx(math.exp(600))


@pytest.mark.parametrize(
    ("grown", "amount", "scaled"),
    [(1.0, 7, 1.0), (3.0, 1, 3.0), (3.0, 8, 2**0.5), (3.0, 0, 3.0), (10.0, 99, 2**0.5), (3.0, 2, 5**0.5)],
)
def test_growth_if_each_branch_were_scaled(grown: float, amount: int, scaled: float) -> None:
    assert growth_if_scaled(grown, amount) == pytest.approx(scaled)


def test_growth_is_that_of_uncorrelated_sums() -> None:
    """Compared with a trunk of real random vectors."""
    torch.manual_seed(0)
    trunk, adds, readings = torch.randn(64, 96), [0.5, 2.0, 1.0, 4.0], {}
    start = trunk.square().mean().sqrt()
    layers = residual(4, norm=False)
    for number, size in enumerate(adds):
        added = size * torch.randn(64, 96)
        readings[f"h.{number}.enter"] = {"input": signal(float(trunk.square().mean().sqrt())).model_dump()}
        readings[f"h.{number}.leave"] = {"output": signal(float(added.square().mean().sqrt())).model_dump()}
        trunk = trunk + added
    found = branches(recording(layers, measured(layers, **readings), branches=4))
    end = float(trunk.square().mean().sqrt())
    assert growth(found) == pytest.approx(end / float(start), rel=0.03)
    scaled = math.sqrt(1 + sum((size / 2) ** 2 for size in adds))  # by the square root of four branches
    assert growth_if_scaled(growth(found), 4) == pytest.approx(scaled, rel=0.03)


def test_the_growth_without_norms_is_the_product_over_the_branches() -> None:
    found = branches(numbers(*BLOCK, reader("enter2", 4), end("leave2", 5), leave={"output": signal(math.sqrt(3.0))}))
    assert growth_without_norms(found) == pytest.approx(2.0 * math.sqrt(2.0))
    assert growth(found) == pytest.approx(math.sqrt(2.0))  # the second branch reads a stream of the same level
    assert growth_without_norms([]) == 1.0

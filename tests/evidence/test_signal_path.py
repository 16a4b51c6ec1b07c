"""Activation levels and gradients on the main path, which no skip connection bypasses."""

from __future__ import annotations

import math
from typing import Any

import pytest

from inithealth.evidence import signal_path
from inithealth.evidence.facts import with_limits
from inithealth.recording import Recording, Signal
from tests.rules.recordings import measured, recording, signal, stack


def made(
    outputs: dict[str, float] | None = None,
    gradients: dict[str, float] | None = None,
    changes: dict[str, dict[str, Any]] | None = None,
    **more: Any,
) -> Recording:
    layers = stack(**(changes or {}))
    return recording(layers, measured(layers, outputs, gradients), **more)


def test_only_layers_with_matrices_are_measured() -> None:
    of = made(changes={"fc1": {"kind": "norm"}, "fc2": {"kind": "scale"}, "fc3": {"kind": "other"}})
    assert [layer.name for layer, _ in signal_path.measured(of)] == ["fc0", "head"]


def test_the_main_path_is_the_layers_that_no_skip_bypasses() -> None:
    of = made(changes={"fc1": {"bypassable": True}})
    assert [layer.name for layer, _ in signal_path.main_path(of)] == ["fc0", "fc2", "fc3", "head"]


def around(*names: str) -> dict[str, dict[str, Any]]:
    return {name: {"bypassable": True} for name in names}


def test_a_main_path_of_one_layer_is_not_used() -> None:
    assert len(signal_path.main_path(made(changes=around("fc0", "fc1", "fc2", "fc3")))) == 5
    two = signal_path.main_path(made(changes=around("fc0", "fc1", "fc2")))
    assert [layer.name for layer, _ in two] == ["fc3", "head"]


@pytest.mark.parametrize(
    ("inputs", "rms"),
    [
        ({"a": signal(0.5), "b": signal(3.0)}, 3.0),
        ({}, 1.0),
        ({"a": signal(5.0, non_finite=1)}, 1.0),
        ({"a": signal(math.inf), "b": signal(2.0)}, 2.0),
    ],
)
def test_the_largest_input_counts(inputs: dict[str, Any], rms: float) -> None:
    assert signal_path.input_rms(made(inputs=inputs)) == rms


@pytest.mark.parametrize(
    ("place", "output", "rms"),
    [
        ({"kind": "embedding"}, signal(3.0), 3.0),
        ({"kind": "embedding", "head": True}, signal(3.0), 1.0),  # a tied head does not look anything up
        ({"kind": "embedding"}, signal(3.0, non_finite=1), 1.0),
        ({"kind": "embedding"}, None, 1.0),
        ({}, signal(3.0), 1.0),
    ],
)
def test_the_input_of_tokens_is_the_embedding_output(place: dict[str, Any], output: Signal | None, rms: float) -> None:
    layers = stack(fc0=place)
    of = recording(layers, measured(layers, fc0={"output": output}, fc1={"output": signal(9.0)}), inputs={})
    assert signal_path.input_rms(of) == rms


def test_the_largest_output_is_relative_to_large_inputs() -> None:
    found = signal_path.largest_output(made({"fc1": 40.0}))
    assert found is not None
    assert (found[0].name, found[1]) == ("fc1", 40.0)
    found = signal_path.largest_output(made({"fc1": 40.0}, inputs={"batch": signal(10.0)}))
    assert found is not None
    assert found[1] == 4.0
    found = signal_path.largest_output(made({"fc1": 40.0}, inputs={"batch": signal(0.1)}))
    assert found is not None
    assert found[1] == 40.0


def test_the_smallest_output_is_relative_to_small_inputs() -> None:
    found = signal_path.smallest_output(made({"fc1": 0.01}))
    assert found is not None
    assert (found[0].name, found[1]) == ("fc1", 0.01)
    found = signal_path.smallest_output(made({"fc1": 0.01}, inputs={"batch": signal(0.1)}))
    assert found is not None
    assert found[1] == pytest.approx(0.1)


@pytest.mark.parametrize("inputs", [1.5, 0.0])
def test_the_smallest_output_is_absolute_for_large_or_zero_inputs(inputs: float) -> None:
    found = signal_path.smallest_output(made({"fc1": 0.3}, inputs={"batch": signal(inputs)}))
    assert found is not None
    assert found[1] == 0.3


@pytest.mark.parametrize("output", [None, signal(40.0, non_finite=1), signal(0.01, non_finite=1)])
def test_non_finite_outputs_are_neither_large_nor_small(output: Signal | None) -> None:
    layers = stack()
    of = recording(layers, measured(layers, fc1={"output": output}))
    largest, smallest = signal_path.largest_output(of), signal_path.smallest_output(of)
    assert largest is not None
    assert smallest is not None
    assert largest[1] == smallest[1] == 1.0


@pytest.mark.parametrize(("weight", "rms"), [({"fan_in": 8}, 0.01), ({"fan_in": 7}, 1.0), ({"fan_out": 7}, 1.0)])
def test_outputs_of_few_inputs_or_units_may_be_small_by_chance(weight: dict[str, Any], rms: float) -> None:
    narrow = made({"fc1": 0.01}, changes={"fc1": {"weight": weight}})
    found = signal_path.smallest_output(narrow)
    assert found is not None
    assert found[1] == rms
    found = signal_path.smallest_output(with_limits(narrow, [signal_path.LevelLimits(min_fan=7)]))
    assert found is not None
    assert found[1] == 0.01


def test_a_layer_of_unknown_width_is_not_narrow() -> None:
    layers = tuple(each.model_copy(update={"weight": None}) if each.name == "fc1" else each for each in stack())
    found = signal_path.smallest_output(recording(layers, measured(layers, {"fc1": 0.01})))
    assert found is not None
    assert (found[0].name, found[1]) == ("fc1", 0.01)


@pytest.mark.parametrize("place", [{"bypassable": True}, {"head": True}, {"kind": "embedding"}])
def test_some_layers_may_have_small_outputs(place: dict[str, Any]) -> None:
    found = signal_path.smallest_output(made({"fc1": 1e-9}, changes={"fc1": place}))
    assert found is not None
    assert found[1] == 1.0


def test_exact_zeros_are_not_small() -> None:
    found = signal_path.smallest_output(made({"fc1": 0.0}))
    assert found is not None
    assert found[1] == 1.0
    assert len(signal_path.gradients(signal_path.main_path(made(gradients={"fc1": 0.0})))) == 4


def named(found: tuple[Any, float, Any] | None) -> tuple[str, float, str] | None:
    return None if found is None else (found[0].name, found[1], found[2].name)


def test_the_ratio_is_between_the_extremes_at_any_position() -> None:
    assert named(signal_path.gradient_ratio(made(gradients={"fc1": 0.5, "fc3": 4.0}))) == ("fc1", 0.125, "fc3")
    assert named(signal_path.gradient_ratio(made(gradients={"fc1": 4.0, "fc3": 0.5}))) == ("fc3", 0.125, "fc1")


@pytest.mark.parametrize(
    ("gradients", "fade"),
    [
        ({}, 1.0),
        ({"fc0": 0.1}, 0.1),
        ({"fc0": 10.0}, 1.0),  # it grows in the backward pass
        ({"head": 0.5}, 1.0),
        ({"fc0": 0.1, "fc2": 10.0}, 0.01),  # it grows, then shrinks
        ({"fc0": 100.0, "fc2": 0.1}, 0.1),  # it shrinks, then grows
        ({"fc0": 100.0, "fc1": 0.5, "fc2": 10.0, "fc3": 0.1}, 0.05),  # twice; the worse one counts
    ],
)
def test_gradient_fade_is_relative_to_the_downstream_maximum(gradients: dict[str, float], fade: float) -> None:
    found = signal_path.gradient_fade(made(gradients=gradients))
    assert found is not None
    at, ratio, top = found
    assert ratio == pytest.approx(fade)
    assert at.index <= top.index


def test_of_equal_gradients_the_nearest_to_the_loss_is_named() -> None:
    assert named(signal_path.gradient_fade(made(gradients={"fc0": 0.1, "fc1": 0.1}))) == ("fc1", 0.1, "head")


EVERYWHERE = around("fc0", "fc1", "fc2", "fc3", "head")


@pytest.mark.parametrize(
    ("gradients", "fade"),
    [
        ({"fc0": 0.1}, ("fc0", 0.1, "head")),
        ({"fc2": 0.1}, ("head", 1.0, "head")),  # the gradient at fc1 has bypassed fc2
        ({"fc1": 0.1, "fc0": 0.5}, ("fc1", 0.5, "head")),
    ],
)
def test_with_all_layers_bypassed_fading_counts_only_if_no_upstream_gradient_is_larger(
    gradients: dict[str, float], fade: tuple[str, float, str]
) -> None:
    at, ratio, top = fade
    found = named(signal_path.gradient_fade(made(gradients=gradients, changes=EVERYWHERE)))
    assert found == (at, pytest.approx(ratio), top)


NORMED: dict[str, Any] = {"normalized": True}


@pytest.mark.parametrize(("output", "fade"), [(5.0, 0.5), (0.5, 0.1), (1.0, 0.1)])
def test_with_normalization_the_smaller_fade_counts(output: float, fade: float) -> None:
    """A signal five times as large has a gradient a fifth as large, which is not fading."""
    of = made({"fc0": output}, {"fc0": 0.1}, **NORMED)
    found = named(signal_path.gradient_fade(of))
    assert found == ("fc0", pytest.approx(fade), "head")
    found = named(signal_path.gradient_fade(of.model_copy(update={"normalized": False})))
    assert found == ("fc0", pytest.approx(0.1), "head")


def test_the_layer_of_the_smaller_fade_is_named() -> None:
    found = named(signal_path.gradient_fade(made({"fc0": 5.0}, {"fc0": 0.1, "fc1": 0.4}, **NORMED)))
    assert found == ("fc1", pytest.approx(0.4), "head")


@pytest.mark.parametrize(
    ("outputs", "growth"),
    [
        ({"fc1": 0.25}, ("fc1", 2.0, "head")),
        ({"fc1": 4.0}, ("fc1", 8.0, "head")),
        ({"fc1": 0.1, "fc3": 3.0}, ("fc3", 3.0, "head")),
    ],
)
def test_with_normalization_the_smaller_growth_counts(
    outputs: dict[str, float], growth: tuple[str, float, str]
) -> None:
    found = named(signal_path.gradient_growth(made(outputs, {"fc1": 8.0}, **NORMED)))
    assert found == (growth[0], pytest.approx(growth[1]), growth[2])


@pytest.mark.parametrize("output", [None, signal(4.0, non_finite=1)])
def test_a_sensitivity_needs_a_gradient_and_a_finite_output(output: Signal | None) -> None:
    layers = stack()
    of = recording(layers, measured(layers, {"fc0": 2.0}, {"fc0": 3.0, "fc2": 0.0}, fc1={"output": output}))
    found = signal_path.sensitivities(signal_path.main_path(of))
    assert [(layer.name, size) for layer, size in found] == [
        ("fc0", pytest.approx(6.0 * signal().numel)),
        ("fc3", pytest.approx(signal().numel)),
        ("head", pytest.approx(signal().numel)),
    ]


def test_two_layers_are_enough() -> None:
    layers = stack(2)
    of = recording(layers, measured(layers, gradients={"fc0": 0.25}))
    for judge in (signal_path.gradient_ratio, signal_path.gradient_fade):
        assert named(judge(of)) == ("fc0", 0.25, "head")
    assert named(signal_path.gradient_growth(of)) == ("head", 1.0, "head")


def test_growth_is_relative_to_the_last_layer() -> None:
    assert named(signal_path.gradient_growth(made(gradients={"fc1": 8.0, "head": 2.0}))) == ("fc1", 4.0, "head")


def test_one_gradient_gives_no_ratio() -> None:
    zeros = dict.fromkeys(("fc0", "fc1", "fc2", "fc3"), 0.0)
    for judge in (signal_path.gradient_ratio, signal_path.gradient_fade, signal_path.gradient_growth):
        assert judge(made(gradients=zeros)) is None


def test_there_is_no_level_without_measurements() -> None:
    bare = recording(steps=())
    assert signal_path.largest_output(bare) is None
    assert signal_path.smallest_output(bare) is None


def test_a_non_finite_signal_is_not_judged() -> None:
    assert not signal_path.usable(signal(1.0, non_finite=1))
    assert not signal_path.usable(signal(math.nan))
    assert not signal_path.usable(None)

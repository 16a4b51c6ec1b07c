"""Activation levels and gradients along the main path, which no skip connection bypasses."""

from __future__ import annotations

import math
from typing import Any

import pytest

from inithealth.evidence import signal_path
from inithealth.recording import Recording
from tests.rules.recordings import measured, recording, signal, stack


def made(
    outputs: dict[str, float] | None = None,
    gradients: dict[str, float] | None = None,
    changes: dict[str, dict[str, Any]] | None = None,
    **more: Any,
) -> Recording:
    layers = stack(**(changes or {}))
    return recording(layers, measured(layers, outputs, gradients), **more)


def test_only_layers_that_transform_are_measured() -> None:
    of = made(changes={"fc1": {"kind": "norm"}, "fc2": {"kind": "scale"}, "fc3": {"kind": "other"}})
    assert [layer.name for layer, _ in signal_path.measured(of)] == ["fc0", "head"]


def test_the_main_path_is_the_layers_that_no_skip_bypasses() -> None:
    of = made(changes={"fc1": {"bypassable": True}})
    assert [layer.name for layer, _ in signal_path.main_path(of)] == ["fc0", "fc2", "fc3", "head"]


def test_a_main_path_of_one_layer_is_not_used() -> None:
    round_all = {name: {"bypassable": True} for name in ("fc0", "fc1", "fc2", "fc3")}
    assert len(signal_path.main_path(made(changes=round_all))) == 5


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


@pytest.mark.parametrize("place", [{"bypassable": True}, {"head": True}, {"kind": "embedding"}])
def test_some_layers_may_put_out_little(place: dict[str, Any]) -> None:
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


def test_the_ratio_is_of_the_extremes_wherever_they_are() -> None:
    assert named(signal_path.gradient_ratio(made(gradients={"fc1": 0.5, "fc3": 4.0}))) == ("fc1", 0.125, "fc3")
    assert named(signal_path.gradient_ratio(made(gradients={"fc1": 4.0, "fc3": 0.5}))) == ("fc3", 0.125, "fc1")


@pytest.mark.parametrize(
    ("gradients", "fade"),
    [
        ({}, 1.0),
        ({"fc0": 0.1}, 0.1),
        ({"fc0": 10.0}, 1.0),  # it grows on its way back
        ({"fc0": 0.1, "fc2": 10.0}, 0.01),  # it grows, then fades
        ({"fc0": 100.0, "fc2": 0.1}, 0.1),  # it fades, then grows
        ({"fc0": 100.0, "fc1": 0.5, "fc2": 10.0, "fc3": 0.1}, 0.05),  # twice; the worse counts
    ],
)
def test_fading_is_against_what_is_nearer_to_the_loss(gradients: dict[str, float], fade: float) -> None:
    found = signal_path.gradient_fade(made(gradients=gradients))
    assert found is not None
    at, ratio, top = found
    assert ratio == pytest.approx(fade)
    assert at.index <= top.index


def test_growth_is_against_the_last_layer() -> None:
    assert named(signal_path.gradient_growth(made(gradients={"fc1": 8.0, "head": 2.0}))) == ("fc1", 4.0, "head")


def test_one_gradient_is_no_ratio() -> None:
    zeros = dict.fromkeys(("fc0", "fc1", "fc2", "fc3"), 0.0)
    for judge in (signal_path.gradient_ratio, signal_path.gradient_fade, signal_path.gradient_growth):
        assert judge(made(gradients=zeros)) is None


def test_nothing_measured_is_no_level() -> None:
    bare = recording(steps=())
    assert signal_path.largest_output(bare) is None
    assert signal_path.smallest_output(bare) is None


def test_a_signal_that_is_not_finite_is_no_number_to_judge() -> None:
    assert not signal_path.usable(signal(1.0, non_finite=1))
    assert not signal_path.usable(signal(math.nan))
    assert not signal_path.usable(None)

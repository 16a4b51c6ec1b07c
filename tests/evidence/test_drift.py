"""The change of a layer since the early steps."""

from __future__ import annotations

import math
from typing import Any

import pytest

from inithealth.evidence.drift import baseline, beyond_the_network, drifts, latest
from inithealth.recording import Measurement, Recording
from tests.rules.runs import several


def output(m: Measurement) -> float | None:
    return m.output.rms if m.output is not None else None


def run(steps: int, *, broken: tuple[int, ...] = (), **outputs: float) -> Recording:
    losses = [math.nan if number in broken else 2.3 for number in range(steps)]
    return several({"outputs": outputs}, steps=steps, losses=losses)


@pytest.mark.parametrize(
    ("of", "fewest", "expected"),
    [
        (run(12), 3, list(range(1, 10))),  # without the first step, and nine others
        (run(4), 3, [1, 2, 3]),
        (run(3), 3, []),
        (run(12, broken=(2, 5)), 3, [1, 3, 4, 6, 7, 8, 9]),
        (run(4, broken=(2,)), 3, []),
    ],
)
def test_the_baseline_is_the_early_steps_that_are_not_broken(of: Recording, fewest: int, expected: list[int]) -> None:
    assert [step.index for step in baseline(of, fewest)] == expected


@pytest.mark.parametrize(
    ("of", "expected"), [(run(10), None), (run(11), 10), (run(12), 11), (run(12, broken=(11,)), None)]
)
def test_the_latest_step_is_neither_early_nor_broken(of: Recording, expected: int | None) -> None:
    step = latest(of)
    assert (None if step is None else step.index) == expected


def test_a_drift_is_in_octaves() -> None:
    found = drifts(run(12, fc1=8.0, fc2=0.25), output, 3)
    assert found == {"fc0": 0.0, "fc1": 3.0, "fc2": -2.0, "fc3": 0.0, "head": 0.0}


@pytest.mark.parametrize("of", [run(10, fc1=8.0), run(12, broken=tuple(range(1, 8))), run(12, broken=(11,))])
def test_nothing_drifts_without_a_baseline_or_a_later_step(of: Recording) -> None:
    assert drifts(of, output, 3) == {}


@pytest.mark.parametrize("value", [0.0, math.inf, math.nan])
def test_a_layer_without_a_level_does_not_drift(value: float) -> None:
    assert drifts(run(12, fc1=value), output, 3).keys() == {"fc0", "fc2", "fc3", "head"}


@pytest.mark.parametrize(("known", "judged"), [(2, False), (3, True)])
def test_a_layer_needs_a_minimum_of_early_steps(known: int, judged: bool) -> None:
    of = run(12, fc1=4.0)

    def read(m: Measurement) -> float | None:
        seen.append(m.layer)
        return output(m) if m.layer != "fc1" or seen.count("fc1") <= known or seen.count("fc1") == 10 else None

    seen: list[Any] = []  # the latest step is read last
    found = drifts(of, read, 3)
    assert ("fc1" in found) is judged


def test_the_change_of_the_network_is_the_median() -> None:
    assert beyond_the_network({"a": 1.0, "b": 2.0, "c": 7.0}) == {"a": -1.0, "b": 0.0, "c": 5.0}
    assert beyond_the_network({}) == {}

"""The steps that a run keeps, and when they are judged."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pytest

from inithealth.recording import EARLY, Measurement, Step
from inithealth.sessions.kept_steps import KeptSteps


def step(index: int, layers: int = 1, loss: float = 1.0) -> Step:
    return Step(index=index, loss=loss, layers=tuple(Measurement(layer=str(number)) for number in range(layers)))


def kept(indices: Iterable[int], layers: int = 1) -> list[int]:
    return [each.index for each in KeptSteps(step(index, layers) for index in indices).steps]


def test_a_short_run_is_kept_completely() -> None:
    assert kept(range(74)) == list(range(74))
    assert kept([]) == []
    assert not KeptSteps()
    assert KeptSteps([step(0)])


def test_of_a_long_run_the_first_and_last_steps_are_kept() -> None:
    assert kept(range(1000)) == [*range(EARLY + 1), *range(936, 1000)]


@pytest.mark.parametrize(("layers", "later"), [(64, 64), (128, 32), (5000, 1)])
def test_fewer_steps_are_kept_with_many_layers(layers: int, later: int) -> None:
    assert len(kept(range(100), layers)) == EARLY + 1 + later


def test_later_measurements_are_added_to_the_last_step() -> None:
    for count in (1, 3, 20):
        steps = KeptSteps(map(step, range(count)))
        steps.change_last(loss=7.0)
        assert [each.loss for each in steps.steps] == [1.0] * (count - 1) + [7.0]
    empty = KeptSteps()
    empty.change_last(loss=7.0)
    assert empty.steps == ()


def test_a_broken_step_is_remembered() -> None:
    assert not KeptSteps(map(step, range(200))).broken
    steps = KeptSteps([*map(step, range(20)), step(20, loss=math.nan), *map(step, range(21, 200))])
    assert steps.broken
    assert not any(each.broken for each in steps.steps)


def due(indices: Iterable[int], what: str = "due") -> list[int]:
    steps, found = KeptSteps(), []
    for index in indices:
        steps.add(step(index))
        if getattr(steps, what):
            found.append(index)
    return found


def test_every_eighth_step_is_judged_and_each_after_a_gap() -> None:
    assert due(range(26)) == [7, 15, 23]
    assert due([0, 1, 2, 5, 6, 20]) == [5, 20]
    assert due([*range(10), 15, 16]) == [7, 15]


def test_updates_are_measured_early_and_before_a_judgement() -> None:
    assert due(range(32), "update_due") == [*range(10), 13, 14, 21, 22, 29, 30]
    assert due([*range(16), 20, 21], "update_due") == [*range(10), 13, 14, 20]

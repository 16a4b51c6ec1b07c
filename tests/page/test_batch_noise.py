"""The noise of the gradients of batches."""

from __future__ import annotations

import math

import numpy as np
import pytest

from inithealth.page.batch_noise import BatchNoise


def usual(*moved: float) -> list[float]:
    """Return the usual noise of one layer after each step."""
    noise = BatchNoise(1)
    return [float(noise.usual(np.array([octaves]))[0]) for octaves in moved]


def lasting(*off: float) -> list[float]:
    """Return what is left of the deviations of one layer, without their signs."""
    noise = BatchNoise(1)
    return [float(noise.lasting(np.array([abs(each)]), np.sign([each]))[0]) for each in off]


def test_a_gradient_that_changes_at_each_step_is_noisy() -> None:
    assert usual(0, 6, -2, 6, -2, 6)[-1] == 8.0


def test_a_single_jump_and_a_slow_drift_are_not_noise() -> None:
    assert usual(0, 0, 0, 12, 12, 12) == [0.0] * 6
    assert usual(0, 1, 2, 3, 4, 5)[-1] == 1.0


def test_a_step_that_was_not_measured_is_no_jump() -> None:
    assert usual(0, math.nan, 9, math.nan, 0) == [0.0] * 5


@pytest.mark.parametrize(
    ("off", "left"),
    [((0, 4, 0), [0, 0, 0]), ((0, 4, 3), [0, 0, 3]), ((0, 3, 4), [0, 0, 3]), ((4, -4, -4), [0, -4, 4])],
)
def test_only_what_lasts_two_steps_is_off(off: tuple[float, ...], left: list[float]) -> None:
    found = lasting(*off)
    assert [max(each, 0.0) for each in found] == [max(each, 0.0) for each in left]


def test_layers_are_independent() -> None:
    noise = BatchNoise(2)
    for octaves in ([0.0, 0.0], [6.0, 0.0], [0.0, 0.0], [6.0, 9.0]):
        found = noise.usual(np.array(octaves))
    assert found.tolist() == [6.0, 0.0]

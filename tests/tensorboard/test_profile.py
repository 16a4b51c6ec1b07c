"""The curves of the depth profile: measured values, the healthy band, and the prediction from the weights."""

from __future__ import annotations

import math

import pytest

from inithealth.tensorboard.profile import PROFILES, THEORY_OCTAVES, predicted_level
from tests.tensorboard.recordings import changed, plain

FORWARD, GRADIENT = PROFILES


def test_every_layer_has_a_level_and_a_healthy_band() -> None:
    points = dict(FORWARD.points(plain(4, (0,), {2: 0.25})))
    assert [points[number][FORWARD.measured] for number in range(4)] == [0, 0, -2, -2]
    assert {point[FORWARD.lower] for point in points.values()} == {-1}
    assert {point[FORWARD.upper] for point in points.values()} == {1}


def test_the_theory_band_is_around_the_prediction() -> None:
    recording = changed(plain(3, (0,)), "layers.1", predicted=0.25)
    points = dict(FORWARD.points(recording))
    middle, low, high = FORWARD.theory
    assert points[1][middle] == -2
    assert (points[1][low], points[1][high]) == (-2 - THEORY_OCTAVES, -2 + THEORY_OCTAVES)
    assert not {middle, low, high} & set(points[0])
    assert FORWARD.predicts(recording)


def test_a_wrong_weight_is_outside_the_healthy_band_but_inside_the_theory_band() -> None:
    recording = plain(3, (0,), {1: 2.0**-4})
    for name, rms in (("layers.0", 1.0), ("layers.1", 2.0**-4), ("layers.2", 2.0**-4)):
        recording = changed(recording, name, predicted=rms * 1.05)
    point = dict(FORWARD.points(recording))[1]
    _, low, high = FORWARD.theory
    assert point[low] < point[FORWARD.measured] < point[high]
    assert point[FORWARD.measured] < point[FORWARD.lower]


@pytest.mark.parametrize("predicted", [None, 0.0, math.nan, math.inf], ids=str)
def test_values_that_cannot_be_drawn_are_omitted(predicted: float | None) -> None:
    recording = changed(plain(2, (0,)), "layers.0", predicted=predicted)
    assert set(dict(FORWARD.points(recording))[0]) == {FORWARD.measured, FORWARD.lower, FORWARD.upper}
    assert not FORWARD.predicts(recording)


def test_there_is_no_prediction_for_gradients_or_without_a_step() -> None:
    recording = changed(plain(2, (0,)), "layers.0", predicted=1.0)
    assert not GRADIENT.predicts(recording)
    assert set(dict(GRADIENT.points(recording))[0]) == {GRADIENT.measured, GRADIENT.lower, GRADIENT.upper}
    assert not FORWARD.predicts(plain(2, ()))
    assert list(FORWARD.points(plain(2, ()))) == []


def test_the_prediction_is_log2() -> None:
    measurement = plain(1).first["layers.0"]
    assert predicted_level(measurement) is None
    assert predicted_level(measurement.model_copy(update={"predicted": 8.0})) == 3

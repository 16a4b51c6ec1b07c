"""Levels of a signal as log2."""

from __future__ import annotations

import math

import pytest

from inithealth.tensorboard.log2_levels import finite, forward_level, gradient_level, levels_of, log2, measured_layers
from tests.tensorboard.recordings import NUMEL, changed, layer, plain, signal


def test_levels_are_log2_with_separate_values_for_zero_and_broken() -> None:
    assert log2(0.25) == -2
    assert log2(0.0) == -math.inf
    assert math.isnan(log2(math.inf))
    assert math.isnan(log2(math.nan))
    assert finite([1.0, None, math.nan, -math.inf]) == [1.0]


def test_a_gradient_is_measured_by_its_norm_and_an_activation_by_its_rms() -> None:
    recording = changed(plain(2), "layers.0", output=signal(0.5), gradient=signal(0.5))
    measurement = recording.first["layers.0"]
    assert forward_level(measurement) == -1
    assert gradient_level(measurement) == pytest.approx(-1 + math.log2(NUMEL) / 2)


def test_one_non_finite_element_gives_nan_and_an_empty_tensor_none() -> None:
    broken = changed(plain(1), "layers.0", output=signal(1.0, non_finite=1))
    empty = changed(plain(1), "layers.0", output=signal(0.0).model_copy(update={"sampled": 0}))
    assert math.isnan(levels_of(broken.steps[0], forward_level)["layers.0"] or 0.0)
    assert levels_of(empty.steps[0], forward_level) == {"layers.0": None}


def test_layers_are_in_forward_order_without_unmeasured_ones() -> None:
    recording = plain(3)
    shuffled = recording.model_copy(update={"layers": (*recording.layers[::-1], layer("unused", 9))})
    assert [each.name for each in measured_layers(shuffled)] == ["layers.0", "layers.1", "layers.2"]

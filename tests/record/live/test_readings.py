"""Tensors are reduced to statistics by kind and layer, sampled or exact."""

from __future__ import annotations

import pytest
import torch

from inithealth.record.live.readings import Place, Readings
from inithealth.record.statistics.sample import sample

PLACE: Place = ("module", "fc")


def layer_at(place: Place) -> str | None:
    return None if place[1] == "block" else place[1]


@pytest.mark.parametrize("most", [None, 100_000])
def test_calls_at_one_place_are_combined(most: int | None) -> None:
    one, two = torch.randn(4, 6), torch.randn(10, 6) + 2
    readings = Readings(most)
    readings.take("output", PLACE, one)
    readings.take("output", PLACE, two)
    found = readings.signals(layer_at)["output", "fc"]
    both = torch.cat([one, two])
    assert found.numel == 84
    assert found.mean == pytest.approx(float(both.mean()), rel=1e-5)
    assert found.rms == pytest.approx(float(both.square().mean().sqrt()), rel=1e-5)
    assert found.abs_max == float(both.abs().max())


@pytest.mark.parametrize("most", [None, 64])
def test_only_the_first_eight_calls_count(most: int | None) -> None:
    readings = Readings(most)
    for number in range(12):
        readings.take("output", PLACE, torch.full((4,), 1.0 if number < 8 else 100.0))
    assert readings.signals(layer_at)["output", "fc"].abs_max == 1.0
    assert readings.signals(layer_at)["output", "fc"].numel == 32


def test_kinds_and_layers_are_separate() -> None:
    readings = Readings(None)
    readings.take("output", PLACE, torch.ones(3))
    readings.take("gradient", PLACE, torch.ones(3) * 2)
    readings.take("output", ("layer", "other"), torch.ones(3) * 3)
    readings.take("output", ("module", "block"), torch.ones(3) * 4)
    found = {key: signal.rms for key, signal in readings.signals(layer_at).items()}
    assert found == pytest.approx({("output", "fc"): 1.0, ("gradient", "fc"): 2.0, ("output", "other"): 3.0})


def test_tensors_without_numbers_are_ignored() -> None:
    for most in (None, 64):
        readings = Readings(most)
        readings.take("output", PLACE, torch.arange(3))
        readings.take("output", PLACE, torch.empty(0))
        assert readings.signals(layer_at) == {}


def test_a_sample_taken_elsewhere_replaces_the_others() -> None:
    readings = Readings(64)
    readings.take("output", PLACE, torch.ones(3))
    other = sample(torch.full((5,), 2.0), 64)
    assert other is not None
    readings.keep("output", PLACE, other)
    assert readings.signals(layer_at)["output", "fc"].rms == pytest.approx(2.0)


def test_nbytes_is_the_size_of_the_samples() -> None:
    readings = Readings(64)
    readings.take("output", PLACE, torch.randn(1000))
    readings.take("gradient", PLACE, torch.randn(10))
    assert 40 < readings.nbytes <= (64 + 10) * 4
    exact = Readings(None)
    exact.take("output", PLACE, torch.randn(1000))
    assert exact.nbytes == 0

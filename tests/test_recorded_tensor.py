"""Values derived from the frozen statistics of a tensor."""

from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from inithealth.recorded_tensor import Signal, Weight
from tests.rules.recordings import signal, weight


def test_a_norm_is_that_of_the_whole_tensor() -> None:
    assert signal(2.0, numel=100, sampled=10).norm == 20.0


@pytest.mark.parametrize(("mean", "rms", "std"), [(0.0, 2.0, 2.0), (3.0, 5.0, 4.0), (1.0, 1.0, 0.0), (1.0, 0.999, 0.0)])
def test_a_std_is_the_deviation_from_the_mean(mean: float, rms: float, std: float) -> None:
    """Rounding may make a mean slightly larger than the rms."""
    assert signal(rms, mean=mean).std == std
    assert weight("w", rms, mean=mean).std == std


def test_a_gain_needs_a_fan_in() -> None:
    assert weight("w", 0.5, fan_in=16).gain == 2.0
    assert weight("w", 0.5, fan_in=None).gain is None


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_non_finite_numbers_survive_json(value: float) -> None:
    again = Signal.model_validate_json(signal(value).model_dump_json())
    assert repr(again.rms) == repr(value)


def test_they_are_frozen_and_reject_other_fields() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        signal().rms = 1.0  # type: ignore[misc]
    with pytest.raises(ValidationError, match="surprise"):
        Weight.model_validate({**weight("w").model_dump(), "surprise": 1})

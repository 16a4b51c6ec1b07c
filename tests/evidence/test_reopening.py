"""What opens dead units, and which biases close them."""

from __future__ import annotations

from typing import Any

import pytest

from inithealth.evidence.reopening import ReopenLimits, at_output, closing_biases, opened_by
from inithealth.recording import Layer, Measurement
from tests.rules.recordings import layer, recording, weight


def dead(without: float | None = None, redrawn: float | None = None, units: int = 64, **more: Any) -> Measurement:
    known = {"layer": "fc", "dead_share": 1.0, "units": units, "dead_without_bias": without, "dead_redrawn": redrawn}
    return Measurement.model_validate({**known, **more})


@pytest.mark.parametrize(
    ("m", "expected"),
    [
        (dead(0.5, 0.5), "bias"),
        (dead(0.76, 0.5), "weight"),
        (dead(1.0, 0.0), "weight"),
        (dead(1.0, 0.8), "none"),
        (dead(1.0), "weight"),
        (dead(1.0, 1.0), "none"),
        (dead(0.0, 0.5, units=1), "bias"),
        (dead(1.0, 0.5, units=1), "none"),
        (dead(1.0, 0.05, units=1), "weight"),
        (dead(1.0, 0.5, units=4), "weight"),
        (dead(0.75, 0.5, units=4), "bias"),
        (dead(), "weight"),
    ],
)
def test_the_bias_is_tried_first_then_a_new_weight(m: Measurement, expected: str) -> None:
    assert opened_by(layer("fc", 0), m, ReopenLimits(), dominated=False) == expected


@pytest.mark.parametrize(
    ("m", "of", "expected"),
    [
        (dead(), layer("fc", 0), "bias"),  # nothing could be recomputed
        (dead(1.0, 1.0), layer("fc", 0), "bias"),  # its input is zero
        (dead(1.0), layer("fc", 0, normed=True), "bias"),  # rounding has erased the weights' contribution
        (dead(1.0, 0.0), layer("fc", 0), "weight"),  # it opens nothing to remove the bias
        (dead(0.0, 0.0), layer("fc", 0, weight={"rms": 1e-5}), "bias"),
    ],
)
def test_a_bias_that_dominates_counts_where_recomputing_shows_nothing(m: Measurement, of: Layer, expected: str) -> None:
    assert opened_by(of, m, ReopenLimits(), dominated=True) == expected


def test_weights_that_are_far_too_small_are_outweighed_by_any_bias() -> None:
    small = layer("fc", 0, weight={"rms": 1e-3})
    assert opened_by(small, dead(0.0, 0.0), ReopenLimits(), dominated=False) == "weight"
    assert opened_by(small, dead(0.0, 0.0), ReopenLimits(min_weight_octaves=9.0), dominated=False) == "bias"
    normed = layer("fc", 0, weight={"rms": 1e-3}, normed=True)
    assert opened_by(normed, dead(0.0, 0.0), ReopenLimits(), dominated=False) == "bias"


def test_how_likely_units_may_close_again_is_an_option() -> None:
    one = dead(1.0, 0.5, units=1)
    assert opened_by(layer("fc", 0), one, ReopenLimits(max_closed_again=0.6), dominated=False) == "weight"
    few = dead(1.0, 0.7, units=4)
    assert opened_by(layer("fc", 0), few, ReopenLimits(), dominated=False) == "none"
    assert opened_by(layer("fc", 0), few, ReopenLimits(max_closed_again=0.3), dominated=False) == "weight"


@pytest.mark.parametrize(
    ("of", "m", "expected"),
    [
        (layer("fc", 0, head=True), dead(1.0), True),
        (layer("fc", 0), dead(1.0), False),
        (layer("fc", 0, head=True), dead(), False),  # a hinge or another operation is between them
        (layer("fc", 0, head=True, activation="relu6"), dead(1.0, pinned_share=1.0), False),
        (layer("fc", 0, head=True, activation="hardtanh"), dead(1.0), False),
    ],
)
def test_units_that_are_the_models_output(of: Layer, m: Measurement, expected: bool) -> None:
    assert at_output(of, m) is expected


def test_the_bias_may_be_that_of_a_normalization() -> None:
    def biased(name: str, index: int, **more: Any) -> Layer:
        return layer(name, index, bias=weight(f"{name}.bias", shape=(96,)).model_dump(), **more)

    fc, norm, other = layer("fc", 0), biased("norm", 1, kind="norm"), biased("other", 2)
    of = recording((fc, norm, other), ())
    assert closing_biases([(fc, dead(0.0, shifted_by="norm.bias"))], of) == [norm]
    assert closing_biases([(other, dead(0.0, shifted_by="other.bias"))], of) == [other]
    assert closing_biases([(fc, dead(0.0))], of) == [fc]

"""Dead and saturated units."""

from __future__ import annotations

import pytest

from inithealth.evidence.facts import with_limits
from inithealth.evidence.units import DeadLimits, SaturatedLimits, dead_or_saturated, inactive_by_chance
from inithealth.recording import Measurement
from tests.rules.recordings import layer, recording

OF = recording()


@pytest.mark.parametrize(
    ("bypassable", "dead", "units", "expected"),
    [
        (True, 1.0, 7, True),
        (True, 1.0, 1, True),
        (True, 1.0, 8, False),
        (True, 1.0, 0, False),
        (True, 0.99, 7, False),
        (True, None, 7, False),
        (False, 1.0, 7, False),
    ],
)
def test_few_units_of_a_bypassed_layer_may_be_inactive_by_chance(
    bypassable: bool, dead: float | None, units: int, expected: bool
) -> None:
    m = Measurement(layer="fc", dead_share=dead, units=units)
    assert inactive_by_chance(OF, layer("fc", 0, bypassable=bypassable), m) is expected


def test_how_few_is_an_option() -> None:
    m, squeeze = Measurement(layer="fc", dead_share=1.0, units=7), layer("fc", 0, bypassable=True)
    assert not inactive_by_chance(with_limits(OF, [DeadLimits(min_units_beside=7)]), squeeze, m)


@pytest.mark.parametrize(
    ("dead", "flat", "expected"),
    [(None, None, False), (0.75, 0.5, False), (0.76, None, True), (None, 0.51, True), (1.0, 1.0, True)],
)
def test_most_units_are_dead_or_saturated(dead: float | None, flat: float | None, expected: bool) -> None:
    m = Measurement(layer="fc", dead_share=dead, saturated_share=flat)
    assert dead_or_saturated(OF, layer("fc", 0), m) is expected
    lenient = with_limits(OF, [DeadLimits(max_share=1.0), SaturatedLimits(max_share=1.0)])
    assert not dead_or_saturated(lenient, layer("fc", 0), m)

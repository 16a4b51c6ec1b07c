"""Dead and saturated units."""

from __future__ import annotations

import re
from statistics import NormalDist

import pytest

from inithealth.evidence.facts import with_limits
from inithealth.evidence.units import DeadLimits, SaturatedLimits, dead_or_saturated, flat_side, inactive_by_chance
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


def test_the_number_of_few_units_is_an_option() -> None:
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


@pytest.mark.parametrize(("units", "share"), [(4, 1.0), (16, 1.0), (25, 0.9), (64, 0.75), (100, 0.75), (10_000, 0.75)])
def test_more_units_may_be_dead_by_chance_if_there_are_few(units: int, share: float) -> None:
    """Half of them, plus four standard deviations."""
    assert DeadLimits().of(units) == pytest.approx(share)


def test_a_lower_share_does_not_change_the_limit_by_chance() -> None:
    assert DeadLimits(max_share=0.6).of(100) == pytest.approx(0.7)


def beyond(low: float | None, high: float | None, std: float = 3.0) -> float:
    """Return the share of a normal distribution outside the edges."""
    normal = NormalDist(0.0, std)
    return (normal.cdf(low) if low is not None else 0.0) + (1.0 - normal.cdf(high) if high is not None else 0.0)


@pytest.mark.parametrize(
    ("activation", "parameters", "share"),
    [
        (None, (), 0.1),
        ("tanh", (), 0.1),
        ("relu", (), 0.1),
        ("relu6", (), 0.1),
        ("hardtanh", (), beyond(-1.0, 1.0)),
        ("hardtanh", (-2.0, 0.5), beyond(-2.0, 0.5)),
        ("hardtanh", (0.0, 1.0), beyond(None, 1.0)),  # below zero it is off, like a ReLU
        ("hardsigmoid", (), beyond(-3.0, 3.0)),
    ],
)
def test_the_saturation_limit_is_higher_if_the_edges_are_near_zero(
    activation: str | None, parameters: tuple[float, ...], share: float
) -> None:
    of = layer("fc", 0, activation=activation, activation_parameters=parameters)
    assert SaturatedLimits(max_share=0.1).of(of) == pytest.approx(share)
    assert SaturatedLimits().of(of) == pytest.approx(max(0.5, share))


@pytest.mark.parametrize(("std", "share"), [(1.0, beyond(-1.0, 1.0, std=1.0)), (0.0, 0.1)])
def test_the_expected_input_range_of_a_hard_tanh_is_an_option(std: float, share: float) -> None:
    hard = layer("fc", 0, activation="hardtanh")
    assert SaturatedLimits(max_share=0.1, hard_std=std).of(hard) == pytest.approx(share)


def test_a_hard_tanh_saturates_later_than_a_tanh() -> None:
    m = Measurement(layer="fc", saturated_share=0.7)
    assert dead_or_saturated(OF, layer("fc", 0, activation="tanh"), m)
    assert not dead_or_saturated(OF, layer("fc", 0, activation="hardtanh"), m)


def place(activation: str | None, pinned: float = 0.0, *parameters: float) -> tuple[str, list[float]]:
    """Return on which side the units of a fully dead layer are, and the numbers in the reason."""
    of = layer("fc", 0, activation=activation, activation_parameters=parameters)
    where, why = flat_side(of, Measurement(layer="fc", dead_share=1.0, pinned_share=pinned))
    return where, [float(found) for found in re.findall(r"-?\d+(?:\.\d+)?", why)]


SHUT, LOW, HIGH = place("relu")[0], place("hardtanh")[0], place("hardtanh", 1.0)[0]


def test_off_minimum_and_maximum_are_distinguished() -> None:
    assert len({SHUT, LOW, HIGH}) == 3


@pytest.mark.parametrize(
    ("activation", "pinned", "parameters", "where", "numbers"),
    [
        (None, 0.0, (), SHUT, []),
        ("relu", 0.0, (), SHUT, []),
        ("threshold", 0.0, (0.5,), SHUT, [0.5]),
        ("hardswish", 0.0, (), SHUT, [-3.0]),
        ("relu6", 0.0, (), SHUT, []),
        ("relu6", 1.0, (), HIGH, [6.0]),
        ("hardtanh", 0.0, (), LOW, [-1.0]),
        ("hardtanh", 1.0, (), HIGH, [1.0]),
        ("hardtanh", 0.25, (-2.0, 3.0), f"{LOW} or {HIGH}", [-2.0, 3.0]),
        ("relu6", 0.25, (), f"{SHUT} or {HIGH}", [0.0, 6.0]),
        ("clamp_min", 0.0, (-1.0,), LOW, [-1.0]),
        ("clamp_max", 0.0, (2.0,), SHUT, []),
        ("clamp_max", 0.5, (2.0,), HIGH, [2.0]),
    ],
)
def test_the_side_of_dead_units_follows_from_the_activations_edges(
    activation: str | None, pinned: float, parameters: tuple[float, ...], where: str, numbers: list[float]
) -> None:
    assert place(activation, pinned, *parameters) == (where, numbers)


@pytest.mark.parametrize(("parameters", "edge"), [((), 0.5), ((2.0,), 2.0), ((0.0,), 0.0)])
def test_a_shrink_is_dead_around_zero(parameters: tuple[float, ...], edge: float) -> None:
    assert place("softshrink", 0.0, *parameters) == (SHUT, [edge])

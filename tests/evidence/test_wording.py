"""Numbers, names and grammar of messages."""

from __future__ import annotations

import math

import pytest

from inithealth.evidence.wording import called, count, number, span, times, verb
from tests.rules.recordings import layer


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (1.0, "1"),
        (-1.5, "-1.5"),
        (0.02, "0.02"),
        (1.41421, "1.41"),
        (0.0009999, "0.001"),
        (0.0028654, "0.00287"),
        (7e-4, "0.0007"),
        (3.3333e-8, "3.3e-08"),
        (12.345, "12.3"),
        (195.6, "196"),
        (2690.9, "2691"),
        (99_999.0, "99999"),
        (1.93e8, "1.9e+08"),
        (math.inf, "inf"),
        (math.nan, "nan"),
    ],
)
def test_numbers_have_three_digits(value: float, shown: str) -> None:
    assert number(value) == shown


@pytest.mark.parametrize(
    ("factor", "shown"),
    [
        (1.04, "1x"),
        (2.87, "2.9x"),
        (9.99, "10x"),
        (49.9, "50x"),
        (198.2, "198x"),
        (1.93e8, "1.9e+08x"),
        (0.0281, "0.028x"),
    ],
)
def test_factors_have_two_digits(factor: float, shown: str) -> None:
    assert times(factor) == shown


def test_singular_and_plural() -> None:
    assert [count(amount, "layer") for amount in (0, 1, 2)] == ["0 layers", "1 layer", "2 layers"]
    assert [verb(amount, "takes", "take") for amount in (1, 2)] == ["takes", "take"]


def test_the_name_of_a_layer() -> None:
    assert called(layer("fc", 0)) == "fc"
    assert called(layer("layers.3", 0)) == "layers.3"
    assert called(layer("3", 0)) == "layer 3"


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["a"], "a"),
        (["a", "b", "c"], "a, b, c"),
        (["a", "b", "c", "d"], "a ... d (4 layers)"),
        (["0", "2"], "layer 0, layer 2"),
        (["a", "a", "b", "b", "c"], "a, b, c"),
    ],
)
def test_a_group_is_named_in_forward_order(names: list[str], shown: str) -> None:
    layers = [layer(name, index) for index, name in enumerate(names)]
    assert span(layers) == span(layers[::-1]) == shown

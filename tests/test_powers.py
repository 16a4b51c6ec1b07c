"""Powers neither raise nor become zero."""

from __future__ import annotations

import math

import pytest

from inithealth.powers import factor_of, octaves_of, squared


def test_a_square_is_never_an_error() -> None:
    assert squared(-3.0) == 9.0
    assert squared(1e200) == math.inf


@pytest.mark.parametrize(("octaves", "factor"), [(0.0, 1.0), (-2.0, 0.25), (0.5, 2**0.5), (5000.0, 2.0**1022)])
def test_the_factor_of_octaves(octaves: float, factor: float) -> None:
    assert factor_of(octaves) == factor
    assert 1.0 / factor_of(-octaves) == pytest.approx(factor)


def test_infinite_octaves_are_limited() -> None:
    assert 0.0 < factor_of(-math.inf) < factor_of(math.inf) < math.inf


@pytest.mark.parametrize(
    ("factor", "octaves"),
    [(8.0, 3.0), (0.5, -1.0), (math.inf, 1022.0), (0.0, -1022.0), (5e-324, -1022.0), (math.nan, -1022.0)],
)
def test_the_octaves_of_a_factor_are_finite(factor: float, octaves: float) -> None:
    assert octaves_of(factor) == octaves

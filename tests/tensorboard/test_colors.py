"""The color of a ratio."""

from __future__ import annotations

import math

import pytest

from inithealth.tensorboard.colors import LEGEND, classes


@pytest.mark.parametrize(
    ("ratio", "name"),
    [
        (0.0, "ok"),
        (1.0, "ok"),
        (-1.0, "ok"),
        (1.1, "x2"),
        (-1.1, "/2"),
        (2.1, "x4"),
        (-2.1, "/4"),
        (4.1, "x16"),
        (-4.1, "/16"),
        (8.1, "x256"),
        (-8.1, "/256"),
        (-math.inf, "/256"),
        (math.nan, "NaN"),
    ],
)
def test_classes_begin_at_the_values_in_the_legend(ratio: float, name: str) -> None:
    [place] = classes([ratio])
    assert place is not None
    assert LEGEND[place][0] == name


def test_a_row_does_not_flicker_at_an_edge() -> None:
    names = [LEGEND[place][0] for place in classes([0.9, 1.1, 0.9, 1.3, 1.1, 0.8, 0.6]) if place is not None]
    assert names == ["ok", "ok", "ok", "x2", "x2", "x2", "ok"]
    assert classes([0.0, None, 0.0]) == [4, None, 4]

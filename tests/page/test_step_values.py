"""The values of a step in bytes, and in the document."""

from __future__ import annotations

import math
from base64 import b64decode

import numpy as np
import pytest

from inithealth.page.step_values import STATISTICS, blocks, columns, evenly, packed, size, unpacked

VALUES = {name: [float(place), math.nan, -math.inf] for place, name in enumerate(STATISTICS)}


def test_a_layer_has_32_bytes_a_step_and_is_unpacked_unchanged() -> None:
    block = packed(VALUES)
    assert len(block) == size(3) == 3 * 32
    found = unpacked(block)
    assert all(np.array_equal(found[name], VALUES[name], equal_nan=True) for name in STATISTICS)


def test_each_statistic_is_little_endian_float32_with_a_row_for_each_step() -> None:
    later = {name: [7.0] * 3 for name in STATISTICS}
    rows = np.frombuffer(b64decode(columns([packed(VALUES), packed(later)])["gain"]), "<f4").reshape(2, 3)
    assert np.array_equal(rows, np.array([VALUES["gain"], [7.0] * 3], "<f4"), equal_nan=True)


def test_the_blocks_are_recovered_from_the_columns() -> None:
    made = [packed(VALUES), packed({name: [1.0] * 3 for name in STATISTICS})]
    assert blocks(columns(made), 2, 3) == made
    assert columns([]) == dict.fromkeys(STATISTICS, "")


@pytest.mark.parametrize("values", [{}, {"forward": "!"}, columns([packed(VALUES)]) | {"dead": "AAAA"}])
def test_values_of_another_size_are_rejected(values: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"bytes|base64|Only"):
        blocks(values, 1, 3)


def test_steps_are_left_out_evenly_but_never_the_first_or_the_last() -> None:
    assert list(evenly(3, 5)) == [0, 1, 2]
    assert list(evenly(100, 5)) == [0, 25, 50, 74, 99]
    assert list(evenly(9, 1)) == [0]

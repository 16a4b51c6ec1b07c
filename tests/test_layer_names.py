"""Dotted names split into text and numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inithealth.layer_names import differing, is_position, split_numbers, split_positions, without_numbers, words

NAMES = st.lists(st.from_regex(r"[a-z_0-9]{1,4}", fullmatch=True), min_size=1, max_size=5).map(".".join)


@given(NAMES)
def test_a_name_is_the_concatenation_of_its_parts(name: str) -> None:
    for split in (split_numbers(name), split_positions(name)):
        assert split.filled(split.numbers) == name
        assert len(split.texts) == len(split.numbers) + 1


@given(NAMES)
def test_words_and_positions_are_all_parts(name: str) -> None:
    parts = name.split(".")
    assert sorted([*words(name), *filter(is_position, parts)]) == sorted(parts)
    assert len(split_positions(name).numbers) == sum(map(is_position, parts))


@pytest.mark.parametrize(
    ("name", "numbers", "positions", "bare"),
    [
        ("blocks.3.fc1", "blocks.*.fc*", "blocks.*.fc1", "blocks..fc"),
        ("0.1.weight", "*.*.weight", "*.*.weight", "..weight"),
        ("conv2d_10", "conv*d_*", "conv2d_10", "convd_"),
        ("experts.0.w12", "experts.*.w*", "experts.*.w12", "experts..w"),
        ("head", "head", "head", "head"),
        ("12", "*", "*", ""),
    ],
)
def test_patterns(name: str, numbers: str, positions: str, bare: str) -> None:
    assert split_numbers(name).pattern == numbers
    assert split_positions(name).pattern == positions
    assert without_numbers(name) == bare


def test_a_different_count_of_numbers_is_rejected() -> None:
    assert split_numbers("a1.b2").filled(["7", "8"]) == "a7.b8"
    with pytest.raises(ValueError, match="zip"):
        split_numbers("a1.b2").filled(["7"])


def test_the_columns_in_which_rows_differ() -> None:
    assert differing([("0", "1", "5"), ("0", "2", "5"), ("0", "3", "6")]) == [1, 2]
    assert differing([("0", "1")]) == []

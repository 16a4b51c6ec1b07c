"""A misspelled name is reported with the nearest valid one."""

from __future__ import annotations

import pytest

from inithealth.suggest import unknown


@pytest.mark.parametrize(
    ("word", "hint"),
    [("evry", "; did you mean 'every'?"), ("zzz", "; known: auto, every"), ("", "; known: auto, every")],
)
def test_the_nearest_name_or_all_names(word: str, hint: str) -> None:
    assert unknown("schedule", word, iter(["every", "auto"])) == f"unknown schedule {word!r}{hint}"

"""JSON in ASCII that can be read back."""

from __future__ import annotations

import json

import pytest

from inithealth import Report
from inithealth.json_text import json_of, json_of_values


@pytest.mark.parametrize("name", ["\x1b[31m", "\x7f\x9b", "\u202e", "##[add-mask]", "\U0001f600", "caf\xe9", '"\\n'])
def test_any_text_is_read_back_from_printable_ascii(name: str) -> None:
    for text in (json_of(Report(model=name)), json_of_values({"model": name})):
        assert all(" " <= letter <= "~" or letter == "\n" for letter in text)
        assert "##[" not in text
        assert json.loads(text)["model"] == name
    assert Report.from_json(json_of(Report(model=name))).model == name


def test_half_a_surrogate_pair_is_text() -> None:
    assert Report.from_json(json_of(Report(model="a\ud800", notes=("b\udfff",)))).notes == (r"b\udfff",)
    assert json.loads(json_of_values([{"a\ud800": ("b",)}])) == [{r"a\ud800": ["b"]}]

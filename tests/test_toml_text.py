"""TOML of any origin is read or rejected."""

from __future__ import annotations

import pytest

from inithealth.toml_text import parsed


def test_brackets_and_dots_in_texts_do_not_count() -> None:
    quoted, literal, numbers = "[." * 50, "{." * 50, "1.5, " * 50
    text = f"a = \"{quoted}\"\nb = '''{literal}'''\n# {quoted}\nc = [{numbers}]\n"
    assert parsed(text) == {"a": quoted, "b": literal, "c": [1.5] * 50}


def test_tables_after_each_other_are_not_nested() -> None:
    assert len(parsed("".join(f"[a.b.c{number}]\n" for number in range(100)))["a"]["b"]) == 100


@pytest.mark.parametrize("text", ["a = ", "a = 1\na = 2", f"a = {'9' * 5000}", "\0"])
def test_invalid_toml_is_rejected_with_one_line(text: str) -> None:
    with pytest.raises(ValueError, match=r"^is not valid TOML: [^\n]*$"):
        parsed(text)

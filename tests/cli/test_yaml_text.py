"""YAML of any origin is read or rejected."""

from __future__ import annotations

import pytest

from inithealth.cli.yaml_text import parsed


def test_aliases_stand_for_their_values() -> None:
    assert parsed("a: &x {lr: 1e-3}\nb: *x\nc: {<<: *x, d: 1}") == {
        "a": {"lr": 0.001},
        "b": {"lr": 0.001},
        "c": {"lr": 0.001, "d": 1},
    }


@pytest.mark.parametrize(
    "text", ["a: [", "a: 2001-99-99", f"a: {'9' * 5000}", "a: !!int ''", "a: !!timestamp x", "a: *b", "a: !!binary é"]
)
def test_invalid_yaml_is_rejected_with_one_line(text: str) -> None:
    with pytest.raises(ValueError, match=r"^is not valid YAML: [^\n]*$"):
        parsed(text)

"""Text from a user's program is made safe to print."""

from __future__ import annotations

import pytest

from inithealth.report.plain import plain, shortened


@pytest.mark.parametrize(
    ("text", "shown"), [("plain", "plain"), ("\t", r"\t"), ("é", r"\xe9"), ("\\n", "\\n"), ("", "")]
)
def test_plain(text: str, shown: str) -> None:
    assert plain(text) == shown


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [
        ("layers.0.fc1", 12, "layers.0.fc1"),
        ("layers.0.fc1", 11, "laye..0.fc1"),
        ("layers.0.fc1", 10, "laye...fc1"),
        ("", 0, ""),
    ],
)
def test_a_long_text_keeps_both_ends(text: str, most: int, expected: str) -> None:
    assert shortened(text, most) == expected
    assert len(shortened(text, most)) <= most

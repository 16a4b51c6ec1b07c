"""Where a finding points to: a file and a line, or nowhere."""

from __future__ import annotations

import pytest

from inithealth.report.place import Place, place_of
from tests.report.hostile import finding


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("a.py:3", Place("a.py", 3)),
        ("C:/a b, c.py:12", Place("C:/a b, c.py", 12)),
        (None, None),
        ("a.py", None),
        (":3", None),
        ("a.py:0", None),
        ("a.py:-1", None),
        ("a.py:٣", None),
        ("a.py:12345678901", None),
    ],
)
def test_a_path_and_a_line(source: str | None, place: Place | None) -> None:
    assert place_of(finding(source=source)) == place

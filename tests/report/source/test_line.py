"""The location of a finding: a file and a line, or none."""

from __future__ import annotations

import pytest

from inithealth.report.source.line import SourceLine, source_line
from tests.report.hostile import finding


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("a.py:3", SourceLine("a.py", 3)),
        ("C:/a b, c.py:12", SourceLine("C:/a b, c.py", 12)),
        (None, None),
        ("a.py", None),
        (":3", None),
        ("a.py:0", None),
        ("a.py:-1", None),
        ("a.py:٣", None),
        ("a.py:12345678901", None),
    ],
)
def test_a_path_and_a_line(source: str | None, place: SourceLine | None) -> None:
    assert source_line(finding(source=source)) == place

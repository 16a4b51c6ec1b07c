"""One line per cause, in the format of compiler messages."""

from __future__ import annotations

from inithealth import Report
from inithealth.report.formats.concise import render
from tests.report.hostile import EMPTY, EXAMPLE, finding


def test_each_cause_is_a_line_and_the_verdict_is_the_last() -> None:
    lines = render(EXAMPLE).splitlines()
    assert [line.split(": ")[1] for line in lines[:-1]] == [
        "IH103 zero-weights",
        "IH104 constant-weights",
        "IH105 duplicate-neurons",
    ]
    assert lines[0].startswith("nets/a.py:12: ")
    assert lines[0].endswith("(error)")
    assert lines[2].endswith("(suppressed: meant)")
    assert lines[-1].startswith("inithealth: unhealthy")
    assert len(render(EMPTY).splitlines()) == 1


def test_the_location_is_the_layer_without_a_source_line() -> None:
    assert render(EXAMPLE).splitlines()[1].startswith("Net.head: ")
    nowhere = Report(model="Net", findings=(finding(source=None, layers=()),))
    assert render(nowhere).startswith("Net: IH103")

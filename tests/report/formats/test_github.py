"""GitHub's annotations: one per cause, at most ten per level."""

from __future__ import annotations

from inithealth import Report
from inithealth.report.formats import rendered
from tests.report.hostile import EXAMPLE, finding


def test_command_characters_are_escaped() -> None:
    odd = finding(source="a, b:c%.py:7", message="100 %\nof it: x, y", cause="", fix="")
    text = rendered(Report(model="Net", findings=(odd,)), "github")
    assert text == "::error file=a%2C b%3Ac%25.py,line=7,title=IH103 zero-weights::100 %25%0Aof it: x, y"


def test_an_annotation_says_what_the_fix_did() -> None:
    tested = finding(fix="f()", verified="clears", verification="the fix clears this finding")
    text = rendered(Report(model="Net", findings=(tested,)), "github")
    assert text.endswith("%0Afix: f()%0Atest: the fix clears this finding")


def test_there_is_one_annotation_per_cause_and_ten_per_level() -> None:
    many = tuple(finding(layers=(f"l{number}",), message=f"m{number}") for number in range(14))
    lines = rendered(Report(model="Net", findings=many), "github").splitlines()
    assert len(lines) == 10
    assert "and 5 more: " in lines[-1]
    assert all(f"m{number}" in "".join(lines) for number in range(14))
    levels = [line.split()[0] for line in rendered(EXAMPLE, "github").splitlines()]
    assert sorted(levels) == ["::error", "::notice", "::warning"]

"""GitHub's annotations: one for each cause, ten of a level."""

from __future__ import annotations

from inithealth import Report
from inithealth.report.formats import rendered
from tests.report.hostile import EXAMPLE, finding


def test_github_escapes_what_commands_are_made_of() -> None:
    odd = finding(source="a, b:c%.py:7", message="100 %\nof it: x, y", cause="", fix="")
    text = rendered(Report(model="Net", findings=(odd,)), "github")
    assert text == "::error file=a%2C b%3Ac%25.py,line=7,title=IH103 zero-weights::100 %25%0Aof it: x, y"


def test_github_gets_one_a_cause_and_ten_of_a_level() -> None:
    many = tuple(finding(layers=(f"l{number}",), message=f"m{number}") for number in range(14))
    lines = rendered(Report(model="Net", findings=many), "github").splitlines()
    assert len(lines) == 10
    assert "and 5 more: " in lines[-1]
    assert all(f"m{number}" in "".join(lines) for number in range(14))
    levels = [line.split()[0] for line in rendered(EXAMPLE, "github").splitlines()]
    assert sorted(levels) == ["::error", "::notice", "::warning"]

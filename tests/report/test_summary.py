"""A report in one line, and the remarks at its end."""

from __future__ import annotations

import pytest

from inithealth import Finding, Report, Severity
from inithealth.findings import Skipped
from inithealth.report.summary import not_judged, remarks, verdict
from tests.report.hostile import EMPTY, EXAMPLE, finding

ERROR, WARNING = finding(), finding(severity=Severity.WARNING, layers=("b",))
INFO, MEANT = finding(severity=Severity.INFO, layers=("c",)), finding(layers=("d",), suppressed="meant")


@pytest.mark.parametrize(
    ("findings", "said"),
    [
        ((), "ok - nothing found"),
        ((ERROR,), "FAIL - 1 error"),
        ((ERROR, finding(layers=("a",)), WARNING), "FAIL - 2 errors, 1 warning"),
        ((WARNING, INFO, MEANT), "ok - 1 warning, 1 info, 1 suppressed"),
    ],
)
def test_the_verdict_counts_causes(findings: tuple[Finding, ...], said: str) -> None:
    assert verdict(Report(model="Net", findings=findings, step=3)) == f"inithealth: {said} (Net, step 3)"


def test_consequences_do_not_count() -> None:
    assert verdict(EXAMPLE).startswith("inithealth: FAIL - 1 error, 1 warning, 1 suppressed ")


def test_the_models_name_is_made_safe() -> None:
    assert "(a\\nb, step 0)" in verdict(Report(model="a\nb"))


def test_remarks_say_what_was_not_judged_or_measured() -> None:
    skipped = (
        Skipped(code="IH208", rule="loss-at-init", reason="no known value"),
        Skipped(code="IH101", rule="non-finite-weights", reason="not selected"),
    )
    report = Report(model="Net", skipped=skipped, notes=("loss: as given",), not_measured=("fc: complex",))
    assert remarks(report) == [
        "loss: as given",
        "not measured: fc: complex",
        "not judged: IH208 loss-at-init: no known value",
        "not selected: 1 rule",
    ]
    assert not_judged(report) == [skipped[0]]
    assert remarks(EMPTY) == []

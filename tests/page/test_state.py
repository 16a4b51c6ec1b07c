"""The verdict and the findings in the document."""

from __future__ import annotations

import math

from inithealth.findings import Lifetime, Severity, Skipped
from inithealth.page.state import state, verdict
from tests.report.reports import cause, follows, report


def test_the_verdict_counts_causes_in_words() -> None:
    error, warning = cause("fc1"), cause("fc2", severity=Severity.WARNING)
    assert verdict(report()) == "healthy"
    assert verdict(report(error, follows(error, "fc3"), warning)) == "unhealthy: 1 error, 1 warning"
    assert verdict(report(cause("fc1", suppressed="intentional"))) == "healthy"
    found = state(report(error, warning, cause("a", severity=Severity.INFO)))
    assert (found["healthy"], found["errors"], found["warnings"], found["infos"]) == (False, 1, 1, 1)


def test_a_finding_has_all_fields_and_its_numbers_are_finite() -> None:
    error = cause("fc1", measured=math.inf, limit=2.0, step=3, fix="f", source="a.py:1")
    [first, second] = state(report(error, follows(error, "fc3")))["findings"]
    assert (first["measured"], first["limit"], first["opened"], first["closed"]) == (None, 2.0, 3, None)
    assert (second["role"], second["explainedBy"]) == ("consequence", first["key"])
    fields = "key explainedBy role code rule severity suppressed layers message cause fix measured limit source step"
    assert set(first) == {*fields.split(), "opened", "worsened", "closed", "verified", "verification"}


def test_a_finding_has_the_result_of_the_test_of_its_fix() -> None:
    tested = cause("fc1", fix="f", verified="clears", verification="the fix clears this finding")
    [first, second] = state(report(tested, cause("fc2", fix="f")))["findings"]
    assert (first["verified"], first["verification"]) == ("clears", "the fix clears this finding")
    assert (second["verified"], second["verification"]) == ("", "")


def test_findings_have_their_course_and_resolved_ones_are_last() -> None:
    here, gone = cause("fc1"), cause("fc2")
    lifetimes = (
        Lifetime(finding=here, opened=2, worsened=(5,)),
        Lifetime(finding=gone, opened=0, closed=4),
    )
    found = state(report(here, lifetimes=lifetimes))["findings"]
    assert [(each["layers"], each["opened"], each["worsened"], each["closed"]) for each in found] == [
        (["fc1"], 2, [5], None),
        (["fc2"], 0, [], 4),
    ]


def test_rules_that_were_not_selected_are_not_listed() -> None:
    skipped = (
        Skipped(code="IH301", rule="vanishing-gradients", reason="no gradient"),
        Skipped(code="IH302", rule="exploding-gradients", reason="not selected"),
    )
    assert [each["code"] for each in state(report(skipped=skipped))["skipped"]] == ["IH301"]

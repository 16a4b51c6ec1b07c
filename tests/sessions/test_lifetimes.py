"""When findings were open."""

from __future__ import annotations

from inithealth.findings import Finding, Severity
from inithealth.sessions.lifetimes import Lifetimes
from tests.report.reports import cause, report


def course(*reports: tuple[int, tuple[Finding, ...]]) -> list[tuple[str, int, tuple[int, ...], int | None]]:
    lifetimes = Lifetimes()
    for step, findings in reports:
        lifetimes.update(report(*findings, step=step))
    return [(each.finding.key, each.opened, each.worsened, each.closed) for each in lifetimes.all]


WARNING, ERROR = cause("fc1", severity=Severity.WARNING), cause("fc1")


def test_a_finding_opens_worsens_and_is_resolved() -> None:
    assert course((0, (WARNING,)), (5, (ERROR,)), (9, (ERROR,))) == [("IH106 fc1", 0, (5,), None)]
    assert course((0, (WARNING,)), (5, (ERROR,)), (9, ())) == [("IH106 fc1", 0, (5,), 9)]


def test_a_finding_that_comes_back_is_a_new_one() -> None:
    found = course((0, (ERROR,)), (5, ()), (9, (ERROR,)))
    assert found == [("IH106 fc1", 9, (), None), ("IH106 fc1", 0, (), 5)]


def test_a_finding_of_the_steps_is_followed_although_its_worst_layer_varies() -> None:
    first, second = (cause(name, code="IH403", rule="signal-drift") for name in ("fc1", "fc2"))
    assert course((20, (first,)), (30, (second,))) == [("IH403 fc2", 20, (), None)]


def test_nothing_is_resolved_while_values_are_not_finite() -> None:
    broken = cause("fc0", code="IH203", rule="non-finite-activations")
    assert ("IH106 fc1", 0, (), None) in course((0, (ERROR,)), (5, (broken,)))

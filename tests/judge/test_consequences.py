"""Causes first, each followed by its consequences."""

from __future__ import annotations

from typing import Any

import pytest

from inithealth import Finding, Rule, Severity
from inithealth.judge.consequences import folded
from inithealth.rules.catalogue import catalogue

ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO
BY_CODE = {rule.code: rule for rule in catalogue()}


def found(code: str, severity: Severity, *layers: str, **more: Any) -> tuple[Rule, Finding]:
    rule = BY_CODE[code]()
    return rule, Finding(code=code, rule=rule.name, severity=severity, layers=layers, message="off", **more)


def small(severity: Severity = WARNING, *layers: str) -> tuple[Rule, Finding]:
    return found("IH106", severity, *(layers or ("fc1",)), measured=0.001, limit=0.1, variant="small")


def folded_roles(*pairs: tuple[Rule, Finding]) -> list[tuple[str, str, Severity]]:
    return [(each.code, each.role, each.severity) for each in folded(pairs)]


def test_consequences_are_folded_under_their_cause() -> None:
    result = folded([found("IH301", WARNING, "fc0"), found("IH201", WARNING, "fc2"), small()])
    assert [(each.code, each.role, each.explained_by) for each in result] == [
        ("IH106", "cause", None),
        ("IH201", "consequence", "IH106 fc1"),
        ("IH301", "consequence", "IH106 fc1"),
    ]


def test_a_cause_gets_the_worst_severity_of_its_consequences() -> None:
    assert folded_roles(small(WARNING), found("IH201", ERROR), found("IH301", WARNING)) == [
        ("IH106", "cause", ERROR),
        ("IH201", "consequence", ERROR),
        ("IH301", "consequence", WARNING),
    ]
    assert folded_roles(small(ERROR), found("IH201", WARNING))[0] == ("IH106", "cause", ERROR)


def test_an_info_explains_nothing() -> None:
    assert folded_roles(small(INFO), found("IH201", ERROR)) == [("IH201", "cause", ERROR), ("IH106", "cause", INFO)]


def test_an_unrelated_finding_remains_a_cause() -> None:
    assert folded_roles(small(), found("IH202", ERROR)) == [("IH202", "cause", ERROR), ("IH106", "cause", WARNING)]


def test_a_chain_is_folded_under_its_first_finding() -> None:
    """Zero weights explain dead units, which explain vanishing activations, which explain the gradient."""
    result = folded([found(code, WARNING, code) for code in ("IH301", "IH201", "IH204", "IH103")])
    assert [each.explained_by for each in result] == [None, "IH103 IH103", "IH103 IH103", "IH103 IH103"]


def test_causes_are_sorted_by_severity_then_by_rank() -> None:
    pairs = [found("IH208", WARNING), found("IH305", WARNING), found("IH304", INFO, "fc9"), found("IH101", ERROR, "fc")]
    assert [each.code for each in folded(pairs)] == ["IH101", "IH208", "IH305", "IH304"]
    assert [each.code for each in folded(pairs[::-1])] == ["IH101", "IH208", "IH305", "IH304"]


def test_a_cut_graph_is_a_separate_cause() -> None:
    zero = found("IH103", ERROR, "fc1")
    cut, without_gradient = found("IH304", ERROR, "fc2"), found("IH304", ERROR, "fc0", measured=0.0)
    assert folded_roles(zero, cut, without_gradient) == [
        ("IH103", "cause", ERROR),
        ("IH304", "consequence", ERROR),
        ("IH304", "cause", ERROR),
    ]


def test_a_later_finding_follows_from_an_earlier_one() -> None:
    large = found("IH106", WARNING, "fc1", measured=3.0, limit=0.5)
    broken = found("IH203", ERROR, "fc2", step=4)
    assert folded_roles(broken, large) == [("IH106", "cause", ERROR), ("IH203", "consequence", ERROR)]
    first = found("IH203", ERROR, "fc2", step=0)
    later = found("IH210", ERROR, step=4)
    assert folded_roles(later, first) == [("IH203", "cause", ERROR), ("IH210", "cause", ERROR)]


@pytest.mark.parametrize("cause", ["IH103", "IH204"])
@pytest.mark.parametrize("symptom", ["IH402", "IH408"])
def test_small_updates_follow_from_a_layer_that_stops_the_gradient(cause: str, symptom: str) -> None:
    pairs = [found(symptom, WARNING, "fc1", step=15), found(cause, WARNING, "fc2")]
    assert [role for _, role, _ in folded_roles(*pairs)] == ["cause", "consequence"]


def test_no_findings_fold_to_nothing() -> None:
    assert folded([]) == ()


def test_the_first_of_two_causes_gets_the_consequence() -> None:
    result = folded([found("IH103", WARNING, "fc3"), small(WARNING), found("IH201", ERROR)])
    assert [(each.code, each.severity) for each in result] == [("IH103", ERROR), ("IH201", ERROR), ("IH106", WARNING)]

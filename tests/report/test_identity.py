"""The identity of a finding across runs."""

from __future__ import annotations

import pytest

from inithealth import Finding, Report, Severity
from inithealth.report.identity import fingerprint, spots
from tests.report.hostile import EXAMPLE, finding


def own(of: Finding, model: str = "Net") -> str:
    return fingerprint(Report(model=model), of)


def test_a_finding_has_a_spot_for_each_layer() -> None:
    assert spots(finding(layers=("a", "b"))) == [("IH103", "a"), ("IH103", "b")]
    assert spots(finding(layers=())) == [("IH103", None)]


@pytest.mark.parametrize(
    "change", [{"source": "b.py:3"}, {"message": "else"}, {"measured": 3.0}, {"severity": Severity.INFO}, {"fix": ""}]
)
def test_it_does_not_depend_on_line_and_numbers(change: dict[str, object]) -> None:
    assert own(finding(**change)) == own(finding())


def test_it_depends_on_model_rule_and_layers() -> None:
    every = [own(finding()), own(finding(), "Other"), own(finding(code="IH104")), own(finding(layers=("net.1",)))]
    assert len(set(every)) == 4
    assert all(len(each) == 32 and int(each, 16) >= 0 for each in every)
    assert own(finding(layers=("a", "b"))) == own(finding(layers=("b", "a")))
    assert fingerprint(EXAMPLE, EXAMPLE.findings[0]) == own(finding())

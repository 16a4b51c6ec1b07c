"""Test case names are unique, because GitLab drops duplicates."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from hypothesis import given

from inithealth import Report
from inithealth.findings import Skipped
from inithealth.report.formats import rendered
from inithealth.report.formats.junit import render as junit
from tests.report.hostile import EXAMPLE, REPORTS, finding


def test_names_differ_from_those_made_unique() -> None:
    layers = ["\0", "\1", "\N{REPLACEMENT CHARACTER} (2)", "IH301 vanishing-gradients"]
    skipped = Skipped(code="IH301", rule="vanishing-gradients", reason="no gradient")
    causes = tuple(finding(layers=(layer,)) for layer in layers)
    [suite] = ET.fromstring(junit(Report(model="Net", findings=causes, skipped=(skipped,))))
    names = [case.get("name") for case in suite]
    assert len(set(names)) == len(names) == len(layers) + 1


_CHILDREN = {"testsuites": {"testsuite"}, "testsuite": {"testcase"}, "testcase": {"failure", "skipped", "system-out"}}
_REQUIRED = {"testsuite": {"name", "tests", "failures", "errors", "skipped", "time"}, "testcase": {"classname", "name"}}
_ALLOWED = {
    "testsuites": {"name", "tests", "failures", "errors", "time"},
    "testsuite": _REQUIRED["testsuite"],
    "testcase": {"classname", "name", "time"},
    "failure": {"type", "message"},
    "skipped": {"message"},
    "system-out": set(),
}


def assert_valid(element: ET.Element) -> None:
    """Assert the rules on which the dialects of Jenkins (junit-10) and GitLab agree."""
    assert element.attrib.keys() <= _ALLOWED[element.tag]
    assert element.attrib.keys() >= _REQUIRED.get(element.tag, set())
    assert {child.tag for child in element} <= _CHILDREN.get(element.tag, set())
    for child in element:
        assert_valid(child)


@given(REPORTS)
def test_junit_is_valid_and_its_counts_are_correct(report: Report) -> None:
    root = ET.fromstring(rendered(report, "junit"))
    assert_valid(root)
    [suite] = root
    names = [(case.get("classname"), case.get("name")) for case in suite]
    assert len(set(names)) == len(names) == int(suite.get("tests", ""))
    assert sum(case.find("failure") is not None for case in suite) == int(suite.get("failures", ""))
    assert (int(suite.get("failures", "")) > 0) is (not report.ok)


def test_a_failure_says_what_the_fix_did() -> None:
    tested = finding(fix="f()", verified="clears", verification="the fix clears this finding")
    [suite] = ET.fromstring(junit(Report(model="Net", findings=(tested,))))
    assert "fix: f()\ntest: the fix clears this finding" in str(suite[0][0].text)


def test_findings_that_do_not_fail_pass() -> None:
    [suite] = ET.fromstring(rendered(EXAMPLE, "junit"))
    shown = {case.get("name"): [child.tag for child in case] for case in suite}
    assert shown == {
        "net.0": ["failure"],
        "head": ["system-out"],
        "net.2": ["system-out"],
        "IH301 vanishing-gradients": ["skipped"],
    }

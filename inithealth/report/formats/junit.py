"""JUnit XML for GitLab and Jenkins: a test case for each layer."""

from __future__ import annotations

from itertools import count
from xml.etree import ElementTree as ET

from inithealth.commands import inert
from inithealth.findings import Finding, Report
from inithealth.report.finding_text import headline, labeled, title
from inithealth.report.summary import not_judged

_KEPT = "\t\n"  # of the characters that cannot be printed; XML 1.0 cannot contain most of the others, even escaped


def render(report: Report) -> str:
    """Return the XML: layers pass, or fail if they are the root cause of a finding; rules not judged are skipped."""
    causes: dict[str, list[Finding]] = {}
    for cause in report.causes:
        causes.setdefault(cause.layers[0] if cause.layers else cause.code, []).append(cause)
    names = dict.fromkeys([*(layer.module or layer.name for layer in report.layers), *causes])
    suite = ET.Element("testsuite", name=_clean(f"inithealth {report.model}"))
    failing = set(map(id, report.failures))
    cases = _Cases(suite, _clean(report.model))
    failures = 0
    for name in names:
        case = cases.add(name)
        bad = [cause for cause in causes.get(name, ()) if id(cause) in failing]
        others = [cause for cause in causes.get(name, ()) if id(cause) not in failing]
        failures += bool(bad)
        if bad:
            kinds = " ".join(cause.code for cause in bad)
            failure = ET.SubElement(case, "failure", type=_clean(kinds), message=_clean(bad[0].message))
            failure.text = _clean("\n\n".join(map(_described, bad)))
        if others:
            ET.SubElement(case, "system-out").text = _clean("\n\n".join(map(_described, others)))
    skipped_rules = not_judged(report)
    for skipped in skipped_rules:
        ET.SubElement(cases.add(title(skipped)), "skipped", message=_clean(skipped.reason))
    counts = {"tests": len(suite), "failures": failures, "errors": 0, "skipped": len(skipped_rules), "time": 0}
    suites = ET.Element("testsuites", name="inithealth")
    for key, value in counts.items():
        suite.set(key, str(value))
        if key != "skipped":
            suites.set(key, str(value))
    suites.append(suite)
    ET.indent(suites)
    written = inert(ET.tostring(suites, encoding="unicode"), colon="&#58;", number="&#35;")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{written}'


class _Cases:
    """Test cases with unique names: GitLab drops duplicates."""

    def __init__(self, suite: ET.Element, classname: str) -> None:
        self._suite, self._classname = suite, classname
        self._taken: set[str] = set()

    def add(self, name: str) -> ET.Element:
        name = own = _clean(name)
        repeats = count(2)
        while own in self._taken:
            own = f"{name} ({next(repeats)})"
        self._taken.add(own)
        return ET.SubElement(self._suite, "testcase", classname=self._classname, name=own, time="0")


def _described(cause: Finding) -> str:
    return "\n".join(
        [f"{cause.severity.value} {headline(cause)}", *labeled(cause, "suppressed", "why", "fix", "test", "at")]
    )


def _clean(text: str) -> str:
    return "".join(each if each.isprintable() or each in _KEPT else "\N{REPLACEMENT CHARACTER}" for each in text)

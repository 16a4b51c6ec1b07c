"""Names of test cases: GitLab drops those that repeat one."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from inithealth import Report
from inithealth.findings import Skipped
from inithealth.report.formats.junit import render as junit
from tests.report.hostile import finding


def test_names_differ_even_from_those_that_were_made_to_differ() -> None:
    layers = ["\0", "\1", "\N{REPLACEMENT CHARACTER} (2)", "IH301 vanishing-gradients"]
    skipped = Skipped(code="IH301", rule="vanishing-gradients", reason="no gradient")
    causes = tuple(finding(layers=(layer,)) for layer in layers)
    [suite] = ET.fromstring(junit(Report(model="Net", findings=causes, skipped=(skipped,))))
    names = [case.get("name") for case in suite]
    assert len(set(names)) == len(names) == len(layers) + 1

"""Every format carries what a report says, whatever the names in it are."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given

from inithealth import Report
from inithealth.report.formats import FORMATS, rendered
from tests.report.hostile import EMPTY, EXAMPLE, REPORTS, finding
from tests.rules.recordings import measured, stack

SCHEMA = Path(__file__).parents[2] / "docs" / "report.schema.json"
WRITE_SCHEMA = (
    "import json, inithealth; print(json.dumps(inithealth.Report.model_json_schema(mode='serialization'), indent=2))"
)


@pytest.mark.parametrize("name", FORMATS)
def test_each_tells_of_nothing_too(name: str) -> None:
    rendered(EMPTY, name)


@pytest.mark.parametrize("name", ["table", "concise", "markdown", "github", "gitlab", "junit", "sarif", "json"])
def test_each_names_the_causes(name: str) -> None:
    text = rendered(EXAMPLE, name).replace("\\", "")
    assert "IH103" in text
    assert "all zero" in text
    assert ("IH105" in text) is (name != "gitlab")  # which knows no suppression


@given(REPORTS)
def test_no_name_breaks_a_format(report: Report) -> None:
    for name in FORMATS:
        if name != "json":  # of text that is no text, such as half a surrogate, JSON cannot be made at all
            text = rendered(report, name)
            assert not re.search("[\x00-\x08\x0e-\x1f\x7f]", text if name != "table" else ""), name
    json.loads(rendered(report, "gitlab"))
    json.loads(rendered(report, "sarif"))
    assert [case.tag for case in ET.fromstring(rendered(report, "junit"))] == ["testsuite"]
    for line in rendered(report, "github").splitlines():
        assert re.match(r"::(error|warning|notice) [^\r\n]*?::", line), line
    assert "<script" not in rendered(report, "markdown").split("```")[0]


def test_the_schema_of_the_json_is_published() -> None:
    wanted = json.dumps(Report.model_json_schema(mode="serialization"), indent=2)
    assert SCHEMA.read_text(encoding="utf-8").strip() == wanted, f"python -c {WRITE_SCHEMA!r} > {SCHEMA}"
    done = subprocess.run([sys.executable, "-c", WRITE_SCHEMA], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == wanted


def test_json_comes_back_as_it_was() -> None:
    assert Report.from_json(rendered(EXAMPLE, "json")) == EXAMPLE


def test_json_without_the_fields_of_activations_is_read() -> None:
    layers = stack()
    report = Report(model="MLP", layers=layers, measurements=measured(layers))
    known = json.loads(report.to_json())
    for each in known["layers"]:
        del each["activation_parameters"]
    for each in known["measurements"]:
        del each["pinned_share"]
    assert Report.from_json(json.dumps(known)) == report


# --- GitHub ---


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


# --- GitLab ---


def test_gitlabs_fingerprints_are_unique_and_know_no_lines() -> None:
    entries = json.loads(rendered(EXAMPLE, "gitlab"))
    assert {entry["check_name"] for entry in entries} == {"zero-weights", "constant-weights"}
    moved = EXAMPLE.model_copy(update={"findings": (finding(source="nets/a.py:99"), finding(source="nets/a.py:99"))})
    prints = [entry["fingerprint"] for entry in json.loads(rendered(moved, "gitlab"))]
    assert prints[0] == entries[0]["fingerprint"]
    assert prints[0] != prints[1]
    assert entries[1]["location"] == {"path": ".", "lines": {"begin": 1}}
    library = EXAMPLE.model_copy(update={"findings": (finding(source="/usr/lib/python/nets.py:3"),)})
    assert json.loads(rendered(library, "gitlab"))[0]["location"]["path"] == "."


# --- JUnit ---

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
    """As the dialects of Jenkins (junit-10) and GitLab agree on it."""
    assert element.attrib.keys() <= _ALLOWED[element.tag]
    assert element.attrib.keys() >= _REQUIRED.get(element.tag, set())
    assert {child.tag for child in element} <= _CHILDREN.get(element.tag, set())
    for child in element:
        assert_valid(child)


@given(REPORTS)
def test_junit_is_valid_and_counts_right(report: Report) -> None:
    root = ET.fromstring(rendered(report, "junit"))
    assert_valid(root)
    [suite] = root
    names = [(case.get("classname"), case.get("name")) for case in suite]
    assert len(set(names)) == len(names) == int(suite.get("tests", ""))
    assert sum(case.find("failure") is not None for case in suite) == int(suite.get("failures", ""))
    assert (int(suite.get("failures", "")) > 0) is (not report.ok)


def test_junit_passes_what_does_not_fail() -> None:
    [suite] = ET.fromstring(rendered(EXAMPLE, "junit"))
    told = {case.get("name"): [child.tag for child in case] for case in suite}
    assert told == {
        "net.0": ["failure"],
        "head": ["system-out"],
        "net.2": ["system-out"],
        "IH301 vanishing-gradients": ["skipped"],
    }


# --- SARIF ---


def results(report: Report) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(rendered(report, "sarif"))["runs"][0]["results"]
    return found


def test_sarif_points_each_result_at_one_place() -> None:
    for result in results(EXAMPLE):
        [location] = result["locations"]
        region = location["physicalLocation"]["region"]
        assert region.keys() == {"startLine", "startColumn", "endLine", "endColumn"}
        assert location["physicalLocation"]["artifactLocation"]["uri"] == "nets/a.py"
    assert [result["level"] for result in results(EXAMPLE)] == ["error", "warning", "error"]
    assert results(EXAMPLE)[2]["suppressions"] == [{"kind": "external", "justification": "meant"}]


def test_sarif_describes_each_rule_once() -> None:
    run = json.loads(rendered(EXAMPLE, "sarif"))["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["IH103", "IH104", "IH105"]
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])
    assert all(rule["help"]["text"] and rule["shortDescription"]["text"].endswith(".") for rule in rules)


# --- Markdown ---


def test_markdown_shows_markup_as_text() -> None:
    odd = finding(layers=("<script>",), message="a|b <script> `x`", source=None, fix="```\nx")
    text = rendered(Report(model="Net", findings=(odd,)), "markdown")
    assert "<script>" not in text
    assert "a\\|b &lt;script&gt; \\`x\\`" in text
    assert "````python\n```\nx\n````" in text


def test_markdown_ends_at_what_github_shows() -> None:
    many = tuple(finding(layers=(f"l{number}",), fix="x" * 1000) for number in range(2000))
    text = rendered(Report(model="Net", findings=many), "markdown")
    assert len(text.encode()) <= 2**20
    assert text.endswith("(cut: the JSON report has all of it)")

"""SARIF locations: all paths are URIs that code scanning accepts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inithealth import Report
from inithealth.report.formats import rendered
from inithealth.report.formats.sarif import render as sarif
from tests.report.hostile import EXAMPLE, TEXT, finding
from tests.report.source.sources import report_of, repository, written

__all__ = ["repository"]  # a fixture


def artifact(source: str) -> dict[str, Any]:
    run = json.loads(sarif(Report(model="Net", findings=(finding(source=source),))))["runs"][0]
    [location] = run["results"][0]["locations"]
    found: dict[str, Any] = location["physicalLocation"]["artifactLocation"]
    return found


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("nets/a.py", "nets/a.py"),
        ("nets\\a.py", "nets/a.py"),
        ("a, b:c%.py", "a%2C%20b%3Ac%25.py"),
        ("n\u00e4t.py", "n%C3%A4t.py"),
        ("caf\udce9.py", "caf%3F.py"),
    ],
)
def test_a_file_in_the_repository_is_relative_to_its_root(path: str, uri: str) -> None:
    assert artifact(f"{path}:7") == {"uri": uri, "uriBaseId": "%SRCROOT%"}


@pytest.mark.parametrize("path", ["/usr/lib/torchvision/a b.py", "C:\\lib\\a.py", "../a.py", "nets/..\\..\\a.py"])
def test_a_file_outside_the_repository_is_not_a_location(path: str) -> None:
    assert artifact(f"{path}:7")["uri"] == "pyproject.toml"


@given(TEXT, st.integers(min_value=1, max_value=10**6))
def test_any_path_is_a_uri(path: str, line: int) -> None:
    found = artifact(f"{path}:{line}")
    assert found["uri"].isascii()
    assert found["uri"].isprintable()
    assert " " not in found["uri"]
    assert urlsplit(found["uri"]).scheme == ""
    assert not unquote(found["uri"]).startswith("/")
    assert ".." not in unquote(found["uri"], errors="replace").split("/")
    assert found["uriBaseId"] == "%SRCROOT%"
    unquote(found["uri"], errors="strict")


def results(report: Report) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(rendered(report, "sarif"))["runs"][0]["results"]
    return found


def test_each_result_has_one_location() -> None:
    for result in results(EXAMPLE):
        [location] = result["locations"]
        region = location["physicalLocation"]["region"]
        assert region.keys() == {"startLine", "startColumn", "endLine", "endColumn"}
        assert location["physicalLocation"]["artifactLocation"]["uri"] == "nets/a.py"
    assert [result["level"] for result in results(EXAMPLE)] == ["error", "warning", "error"]
    assert results(EXAMPLE)[2]["suppressions"] == [{"kind": "external", "justification": "meant"}]


def test_the_message_says_what_the_fix_did() -> None:
    tested = finding(fix="f()", verified="clears", verification="the fix clears this finding")
    [result] = results(Report(model="Net", findings=(tested,)))
    assert result["message"]["text"].endswith("Fix: f()\nTest: the fix clears this finding.")


NET = """
    class Net(nn.Module):
        def forward(self, x):
            return self.head(torch.relu(self.fc1(x)))

        def __init__(self):
            super().__init__()
            self.head = nn.Linear(64, 4)
            self.fc1 = nn.Linear(16, 64)
            nn.init.zeros_(self.fc1.weight)
"""


def test_a_fix_whose_place_is_known_is_an_insertion(repository: Path) -> None:
    path = written(repository, NET)
    [result] = results(report_of(path, verify=True))
    [fix] = result["fixes"]
    assert fix["description"]["text"].endswith("the fix clears this finding.")
    [change] = fix["artifactChanges"]
    assert change["artifactLocation"] == {"uri": "model.py", "uriBaseId": "%SRCROOT%"}
    [replacement] = change["replacements"]
    region = replacement["deletedRegion"]
    assert (region["startLine"], region["startColumn"]) == (region["endLine"], region["endColumn"])
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    lines.insert(region["startLine"] - 1, replacement["insertedContent"]["text"])
    path.write_text("".join(lines), encoding="utf-8")
    assert report_of(path).ok


def test_a_line_without_a_newline_ends_before_the_insertion(repository: Path) -> None:
    path = written(repository, NET.rstrip())
    text = path.read_text(encoding="utf-8")
    assert not text.endswith("\n")
    [result] = results(report_of(path))
    [replacement] = result["fixes"][0]["artifactChanges"][0]["replacements"]
    last = text.splitlines()
    assert replacement["deletedRegion"]["startLine"] == len(last)
    assert replacement["deletedRegion"]["startColumn"] == len(last[-1]) + 1
    assert replacement["insertedContent"]["text"].startswith("\n        nn.init.")


def test_a_fix_without_a_place_has_no_fixes(repository: Path) -> None:
    path = written(repository, NET)
    report = report_of(path)
    path.unlink()
    assert "fixes" not in results(report)[0]


def test_each_rule_is_described_once() -> None:
    run = json.loads(rendered(EXAMPLE, "sarif"))["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["IH103", "IH104", "IH105"]
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])
    assert all(rule["help"]["text"] and rule["shortDescription"]["text"].endswith(".") for rule in rules)

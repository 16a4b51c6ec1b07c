"""The output of a report, and the exit status."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from inithealth import Report, Severity
from inithealth.cli.errors import BadInput
from inithealth.cli.output import Output
from tests.report.hostile import finding

WARNED = Report(model="Net", findings=(finding(severity=Severity.WARNING),))


def output(**options: Any) -> Output:
    known: dict[str, Any] = dict.fromkeys(
        ("output_format", "output_file", "baseline", "write_baseline", "fail_on", "exit_zero")
    )
    return Output.of(argparse.Namespace(**{**known, "exit_zero": False, "verbose": False, **options}))


@pytest.fixture(autouse=True)
def _no_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


@pytest.mark.parametrize(
    ("formats", "file", "places"),
    [
        (None, None, {"table": None}),
        (None, "x", {"table": "x"}),
        (["json"], "x", {"json": "x"}),
        (["json=a", "github"], None, {"json": "a", "github": None}),
        (["json=a", "github"], "x", {"json": "a", "github": "x"}),
        (["json=a", "json=b"], None, {"json": "b"}),
    ],
)
def test_each_format_has_its_file(formats: list[str] | None, file: str | None, places: dict[str, Any]) -> None:
    assert output(output_format=formats, output_file=file).places == places


@pytest.mark.parametrize(
    ("formats", "says"),
    [
        (["jsn"], "unknown output format 'jsn'; did you mean 'json'"),
        (["json", "table"], "json and table would both be printed: write json=FILE"),
        (["json=a", "table=a"], "a is given twice: an output needs a file of its own"),
    ],
)
def test_invalid_options_are_rejected_first(formats: list[str], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        output(output_format=formats)


@pytest.mark.parametrize(
    ("options", "status"),
    [({}, 0), ({"fail_on": "warning"}, 1), ({"fail_on": "warning", "exit_zero": True}, 0), ({"fail_on": "never"}, 0)],
)
def test_the_exit_status_follows_fail_on(options: dict[str, Any], status: int) -> None:
    assert output(**options).finish(WARNED) == status


def test_files_are_written_and_other_formats_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "report.json"
    output(output_format=[f"json={file}", "concise"]).finish(WARNED)
    assert Report.from_json(file.read_text()) == WARNED
    assert capsys.readouterr().out.startswith("nets/a.py:12: IH103")
    with pytest.raises(BadInput, match="cannot be written"):
        output(output_format=[f"json={tmp_path}"]).finish(WARNED)


def test_an_unwritable_summary_does_not_fail_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path))
    assert output().finish(WARNED) == 0
    assert "no step summary" in capsys.readouterr().err


def test_a_new_baseline_has_all_findings_and_an_old_one_only_shrinks(tmp_path: Path) -> None:
    file = str(tmp_path / "known.json")
    strict = {"fail_on": "warning"}
    assert output(write_baseline=file, **strict).finish(WARNED) == 0
    assert output(baseline=file, **strict).finish(WARNED) == 0
    other = Report(model="Net", findings=(finding(code="IH104", severity=Severity.WARNING),))
    assert output(baseline=file, **strict).finish(other) == 1
    assert output(baseline=file, write_baseline=file, **strict).finish(other) == 1
    assert output(baseline=file, **strict).finish(WARNED) == 1  # fixed findings were removed from it

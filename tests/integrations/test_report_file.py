"""The report file of a running training."""

from __future__ import annotations

from pathlib import Path

import pytest

from inithealth import Report
from inithealth.console.log import Log
from inithealth.integrations.report_file import ReportFile
from tests.report.hostile import EMPTY, EXAMPLE


def test_the_file_contains_the_last_report_and_its_folder_is_created(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "one" / "report.json"
    file = ReportFile(path, Log())
    for report in (EMPTY, EXAMPLE):
        file.write(report)
        assert Report.from_json(path.read_text()) == report
    assert [each.name for each in path.parent.iterdir()] == ["report.json"]


@pytest.mark.parametrize("name", ["report.html", "report.HTM"])
def test_a_file_that_ends_in_html_is_the_page(tmp_path: Path, name: str) -> None:
    ReportFile(tmp_path / name, Log()).write(EXAMPLE)
    assert (tmp_path / name).read_text() == EXAMPLE.to_html()


def test_nothing_is_written_without_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ReportFile(None, Log()).write(EXAMPLE)
    assert list(tmp_path.iterdir()) == []


def test_a_write_error_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "report.json").mkdir()
    file = ReportFile(tmp_path / "report.json", Log())
    file.write(EXAMPLE)
    file.write(EXAMPLE)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "report.json: it is a directory: give a file" in caplog.text


def test_an_unencodable_path_does_not_end_the_training(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ReportFile(tmp_path / "\ud800" / "report.json", Log()).write(EXAMPLE)
    assert "could not be written" in caplog.text


def test_half_a_surrogate_pair_is_written_as_text(tmp_path: Path) -> None:
    ReportFile(tmp_path / "report.json", Log()).write(Report(model="\ud800"))
    assert Report.from_json((tmp_path / "report.json").read_bytes()).model == r"\ud800"


@pytest.mark.parametrize("name", ["report.txt", "report", "report.html.gz", ".json"])
def test_another_suffix_is_rejected(name: str) -> None:
    with pytest.raises(ValueError, match=r"^report_path must end in \.json \(data\) or \.html or \.htm \(the page\), "):
        ReportFile(Path(name), Log())

"""A report for a stream: colored in a terminal, plain elsewhere."""

from __future__ import annotations

import io

import pytest
from rich.text import Text

from inithealth import Report
from inithealth.console.rendering import report_text
from tests.console.terminal import Terminal
from tests.report.reports import cause, report

REPORT = Report(model="Net")
LONG = f"nn.init.zeros_(model.{'encoder.' * 12}bias)"  # wider than the terminal


def test_a_stream_that_is_not_a_terminal_gets_the_plain_table() -> None:
    assert report_text(REPORT, io.StringIO()) == str(REPORT)


def test_a_terminal_gets_the_output_of_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inithealth.report.terminal.renderable", lambda report, full: Text("red", style="red"))
    assert report_text(REPORT, Terminal()) == "\x1b[31mred\x1b[0m"
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert report_text(REPORT, io.StringIO()) == "\x1b[31mred\x1b[0m"


def test_code_wider_than_the_terminal_is_not_cut() -> None:
    assert LONG in report_text(report(cause("fc1", fix=LONG)), Terminal())

"""The page of a report: its size, and the names in it."""

from __future__ import annotations

from inithealth.page.step_values import STATISTICS, columns, packed
from inithealth.recorded_run import Flow, StepValues
from inithealth.report.formats import rendered
from inithealth.report.formats.html import render
from tests.report.hostile import EMPTY, EXAMPLE
from tests.report.reports import cause, report
from tests.rules.recordings import stack


def test_it_is_below_one_megabyte_for_200_layers_and_50_steps() -> None:
    layers = stack(200)
    row = packed({name: [0.1 * place for place in range(200)] for name in STATISTICS})
    history = StepValues(steps=tuple(range(50)), values=columns([row] * 50))
    causes = [cause(f"fc{number}", message="too large " * 20, fix="draw it anew") for number in range(20)]
    assert len(render(report(*causes, layers=layers, flow=Flow(), history=history)).encode()) < 1_000_000


def test_a_report_writes_it() -> None:
    assert EXAMPLE.to_html() == rendered(EXAMPLE, "html")
    assert EMPTY.to_html().startswith("<!doctype html>")


def test_markup_in_names_is_text() -> None:
    name = "</script><img src=x onerror=alert(1)>"
    assert name not in report(cause(name, message=name, fix=name), model=name, notes=(name,)).to_html()

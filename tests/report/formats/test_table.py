"""The table format, for networks with real faults: narrow, plain, with every cause and its mark."""

from __future__ import annotations

import pytest

import inithealth
from inithealth import Severity
from inithealth.report.formats import rendered
from inithealth.report.terminal import text
from tests.report.reports import cause, report
from tests.zoo.faulty import FAULTY

CASES = {build.__name__: build for build in FAULTY}


def test_it_equals_str(monkeypatch: pytest.MonkeyPatch) -> None:
    of = report(cause("fc1"))
    assert rendered(of, "table") == str(of) == of.table()
    monkeypatch.setenv("COLUMNS", "80")
    assert rendered(of, "table") == text(of, width=80)


@pytest.mark.parametrize("name", CASES)
def test_a_real_report_is_narrow_and_plain(name: str) -> None:
    case = CASES[name]()
    of = inithealth.check(case.model, case.batch, loss=case.loss)
    for width in (80, 100):
        shown = text(of, width=width).split("\n")
        assert [line for line in shown if len(line) > width and "nn.init." not in line and "at:" not in line] == []
        assert all(line.isascii() and line == line.rstrip() for line in shown)
    alarming = any(found.severity > Severity.INFO and found.layers for found in of.causes)
    assert any(line.startswith("> ") for line in shown) is alarming
    assert shown[0] == of.summary().partition("): ")[0].removesuffix(")") + ")"

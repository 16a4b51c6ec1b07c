"""The edits of each cause, each without those of the others."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from inithealth import Report
from inithealth.report.source.cause_edits import CauseEdits, cause_edits
from tests.report.reports import cause
from tests.report.source.sources import report_of, repository, written

__all__ = ["repository"]  # a fixture

NET = """
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1 = nn.Linear(16, 64)
            self.fc2 = nn.Linear(64, 64)
            self.head = nn.Linear(64, 4)
            nn.init.normal_(self.fc1.weight, std=9.0)
            nn.init.zeros_(self.fc2.weight)

        def forward(self, x):
            return self.head(torch.relu(self.fc2(torch.relu(self.fc1(x)))))
"""


def test_each_cause_has_its_own_edits(repository: Path) -> None:
    written(repository, NET)
    report = report_of(repository / "model.py", verify=True)
    assert len(report.causes) > 1
    for each, found in zip(report.causes, cause_edits(report), strict=True):
        name = each.layers[0]
        [edit] = found.edits
        assert (edit.path, edit.findings) == ("model.py", (each,))
        assert f"self.{name}." in edit.text
        added = [line for line in found.diff.splitlines() if line.startswith("+") and not line.startswith("+++")]
        assert added == [f"+{edit.text.rstrip()}"]
        assert found.diff.startswith("--- a/model.py\n+++ b/model.py\n@@ ")


def test_there_are_none_without_libcst(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = report_of(written(repository, NET))
    monkeypatch.setitem(sys.modules, "libcst", None)
    assert set(cause_edits(report)) == {CauseEdits()}
    assert CauseEdits().diff == ""


def test_there_are_none_for_a_file_outside_the_repository(repository: Path) -> None:
    (repository / "inner" / ".git").mkdir(parents=True)
    report = report_of(written(repository, NET))
    for path in (str(repository / "model.py"), "../model.py", "model.py\0", "other.py", "\ud800.py", ".git"):
        layers = [each.model_copy(update={"source": f"{path}:9"}) for each in report.layers]
        assert set(cause_edits(report.model_copy(update={"layers": tuple(layers)}))) == {CauseEdits()}, path


def test_a_cause_without_operations_has_none() -> None:
    assert cause_edits(Report(model="Net", findings=(cause("fc1", fix="x", source="a.py:3"),))) == [CauseEdits()]

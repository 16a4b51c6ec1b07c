"""When a run ends, and what is logged."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from inithealth import Finding, Report, Settings, Severity, UnhealthyInit
from inithealth.console.log import Log
from inithealth.integrations.report_file import ReportFile
from inithealth.integrations.unhealthy_action import OnUnhealthy, UnhealthyAction
from inithealth.operations import Initialize


def finding(code: str, severity: Severity, layer: str) -> Finding:
    return Finding(code=code, rule="some-rule", severity=severity, layers=(layer,), message="wrong")


BAD = Report(model="Net", findings=(finding("IH206", Severity.WARNING, "fc2"), finding("IH201", Severity.ERROR, "fc1")))
WORSE = BAD.model_copy(update={"fail_on": "warning"})
GOOD = Report(model="Net")


def trainer(*, rank: int = 0, elsewhere: bool = False) -> Any:
    strategy = SimpleNamespace(reduce_boolean_decision=lambda bad, **_: bad or elsewhere)
    return SimpleNamespace(should_stop=False, strategy=strategy, is_global_zero=rank == 0, progress_bar_callback=None)


def action(kind: OnUnhealthy, path: Path | None = None, **settings: Any) -> UnhealthyAction:
    return UnhealthyAction(kind, Settings(**settings), Log(), ReportFile(path, Log()))


@pytest.mark.parametrize(
    ("report", "why"),
    [
        (BAD, "IH201 some-rule in fc1"),
        (WORSE, "IH201 some-rule in fc1 and 1 more cause"),
        (GOOD, "another process found a cause"),
        (None, "another process found a cause"),
    ],
)
def test_a_stop_logs_the_reason_once(report: Report | None, why: str, caplog: pytest.LogCaptureFixture) -> None:
    stop, run = action("stop"), trainer(elsewhere=True)
    for step in (0, 1):  # min_steps continues the run
        stop.take(run, step, report)
    assert run.should_stop
    assert caplog.messages == [f'inithealth: stopped at step 0: {why} (on_unhealthy="stop")']


def test_other_ranks_stop_silently(caplog: pytest.LogCaptureFixture) -> None:
    run = trainer(rank=1)
    action("stop").take(run, 0, BAD)
    assert run.should_stop
    assert caplog.messages == []


@pytest.mark.parametrize("kind", ["warn", "stop", "raise"])
def test_a_healthy_run_continues(kind: OnUnhealthy, caplog: pytest.LogCaptureFixture) -> None:
    run = trainer()
    action(kind).take(run, 0, GOOD)
    assert not run.should_stop
    assert caplog.messages == []


def test_raise_ends_the_progress_bars_line() -> None:
    closed: list[bool] = []
    run = trainer()
    run.progress_bar_callback = SimpleNamespace(train_progress_bar=SimpleNamespace(close=lambda: closed.append(True)))
    with pytest.raises(UnhealthyInit) as raised:
        action("raise").take(run, 0, BAD)
    assert raised.value.report == BAD
    assert closed == [True]


FIXED = Report(
    model="Net",
    findings=(
        finding("IH101", Severity.ERROR, "fc1").model_copy(
            update={"operations": (Initialize(parameter="fc1.weight", initializer="orthogonal"),)}
        ),
    ),
)


def raised(report: Report, path: Path | None, write: bool = True) -> str:
    raising = action("raise", path)
    if write:
        raising._file.write(report)
    with pytest.raises(UnhealthyInit) as error:
        raising.take(trainer(), 0, report)
    assert error.value.report is report
    return str(error.value).splitlines()[-1]


def test_the_last_line_of_the_error_is_the_command_that_prints_the_fixes(tmp_path: Path) -> None:
    path = tmp_path / "init health.json"
    assert raised(FIXED, path) == f"the fixes as code: inithealth fix '{path}'"


def test_without_a_written_report_it_is_the_call_that_applies_them(tmp_path: Path) -> None:
    call = "to apply the fixes and get their code: error.report.apply(model), where error is this exception"
    (tmp_path / "folder.json").mkdir()
    assert raised(FIXED, None) == call
    assert raised(FIXED, tmp_path / "page.html") == call
    assert raised(FIXED, tmp_path / "folder.json") == call
    assert raised(FIXED, tmp_path / "never.json", write=False) == call


def test_without_a_fix_the_error_ends_with_the_table(tmp_path: Path) -> None:
    assert "fixes" not in raised(BAD, tmp_path / "init.json")


def test_a_finding_of_another_process_is_raised_without_a_report() -> None:
    with pytest.raises(UnhealthyInit, match="another process") as raised:
        action("raise").take(trainer(elsewhere=True), 0, GOOD)
    assert raised.value.report is None


def test_it_decides_on_watched_steps_and_during_probation() -> None:
    raising = action("raise", schedule=20)
    assert [step for step in range(45) if raising.raises_at(step)] == [*range(10), 20, 40]
    assert not action("stop").raises_at(0)

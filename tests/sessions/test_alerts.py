"""Who is told of what, and how often."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from inithealth import Finding, Report, Severity
from inithealth.recording import Recording, Step
from inithealth.sessions.alerts import Alerts

RECORDING = Recording(model="Net", layers=(), steps=(Step(index=0),))


def cause(code: str = "IH204", layer: str = "body.0", severity: Severity = Severity.ERROR) -> Finding:
    return Finding(code=code, rule="some-rule", severity=severity, layers=(layer,), message=f"{layer} is wrong")


def judge(alerts: Alerts, *findings: Finding) -> None:
    alerts.judged(RECORDING, Report(model="Net", findings=findings), 0)


def levels(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    """The log's records but for tables."""
    told = [(record.levelno, record.getMessage()) for record in caplog.records]
    return [(level, text) for level, text in told if not text.startswith("inithealth: ")]


def tables(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [text for text in map(logging.LogRecord.getMessage, caplog.records) if text.startswith("inithealth: ")]


@pytest.fixture(autouse=True)
def _everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="inithealth")


class Sink:
    """Remembers what it is told."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls: list[str] = []
        self.error = error

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if self.error is not None:
            raise self.error

    def report(self, recording: Recording, report: Report, step: int) -> None:
        self._called("report")

    def step(self, recording: Recording, step: Step) -> None:
        self._called("step")

    def close(self) -> None:
        self._called("close")


def test_each_cause_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    told: list[Finding] = []
    alerts = Alerts(on_alert=told.append)
    one, other = cause(layer="body.0"), cause(layer="body.2")
    for findings in ((one,), (one,), (one, other), (other,)):
        judge(alerts, *findings)
    assert told == [one, other]
    assert levels(caplog) == [
        (logging.ERROR, "IH204 some-rule: body.0 is wrong"),
        (logging.ERROR, "IH204 some-rule: body.2 is wrong"),
        (logging.INFO, "IH204 body.0: no longer found at step 0"),
    ]


def test_while_a_run_goes_on_one_trouble_is_one_alert_whichever_layer_is_worst(
    caplog: pytest.LogCaptureFixture,
) -> None:
    alerts = Alerts()
    for layer in ("body.0", "body.2", "body.0"):
        judge(alerts, cause("IH402", layer=layer))
    judge(alerts)
    judge(alerts, cause("IH402", layer="body.4"))
    assert levels(caplog) == [
        (logging.ERROR, "IH402 some-rule: body.0 is wrong"),
        (logging.INFO, "IH402: no longer found at step 0"),
    ]


def test_a_cause_that_gets_worse_is_told_again_and_one_that_gets_better_is_not() -> None:
    told: list[Finding] = []
    alerts = Alerts(on_alert=told.append)
    for severity in (Severity.WARNING, Severity.ERROR, Severity.WARNING, Severity.ERROR):
        judge(alerts, cause(severity=severity))
    assert [finding.severity for finding in told] == [Severity.WARNING, Severity.ERROR]


def test_a_note_rings_no_pager(caplog: pytest.LogCaptureFixture) -> None:
    told: list[Finding] = []
    with caplog.at_level(logging.INFO, "inithealth"):
        judge(Alerts(on_alert=told.append), cause(severity=Severity.INFO))
    assert told == []
    assert cause().code in caplog.text


def test_consequences_are_left_to_their_cause() -> None:
    told: list[Finding] = []
    follows = cause("IH304").model_copy(update={"role": "consequence", "explained_by": "IH204 body.0"})
    judge(Alerts(on_alert=told.append), cause(), follows)
    assert told == [cause()]


def test_the_level_in_the_log_is_the_severity(caplog: pytest.LogCaptureFixture) -> None:
    judge(Alerts(), *(cause(layer=severity.value, severity=severity) for severity in Severity))
    assert [level for level, _ in levels(caplog)] == [logging.INFO, logging.WARNING, logging.ERROR]


def test_the_table_is_shown_once_at_the_first_alarm(caplog: pytest.LogCaptureFixture) -> None:
    alerts = Alerts()
    judge(alerts)
    judge(alerts, cause(severity=Severity.INFO))
    assert tables(caplog) == []
    for severity in (Severity.WARNING, Severity.ERROR):
        judge(alerts, cause(severity=severity))
    assert len(tables(caplog)) == 1
    assert "WARNING IH204 some-rule" in tables(caplog)[0]


def test_ranks_other_than_0_are_quiet(caplog: pytest.LogCaptureFixture) -> None:
    told: list[Finding] = []
    sink = Sink()
    alerts = Alerts(on_alert=told.append)
    alerts.quiet, alerts.sinks = True, [sink]
    judge(alerts, cause())
    assert (told, sink.calls, caplog.records) == ([], [], [])


def test_every_sink_hears_of_every_step_and_report() -> None:
    alerts, sinks = Alerts(), [Sink(), Sink()]
    alerts.sinks = list(sinks)
    judge(alerts, cause())
    judge(alerts, cause())
    alerts.measured(lambda: RECORDING, RECORDING.steps[0])
    alerts.close()
    assert [sink.calls for sink in sinks] == [["report", "report", "step", "close"]] * 2


def test_without_a_sink_no_recording_is_made() -> None:
    def costly() -> Recording:
        raise AssertionError("it costs time on every watched step")

    Alerts().measured(costly, RECORDING.steps[0])


def test_what_fails_is_logged_and_the_others_are_told(caplog: pytest.LogCaptureFixture) -> None:
    def pager(finding: Finding) -> Any:
        raise ConnectionError("the pager is down")

    working = Sink()
    alerts = Alerts(on_alert=pager)
    alerts.sinks = [Sink(OSError("the disk is full")), working]
    judge(alerts, cause())
    alerts.measured(lambda: RECORDING, RECORDING.steps[0])
    alerts.close()
    assert working.calls == ["report", "step", "close"]
    assert caplog.text.count("ConnectionError: the pager is down") == 1
    assert caplog.text.count("OSError: the disk is full") == 3
    assert "pager failed; the training goes on" in caplog.text


def test_an_interrupt_is_not_swallowed() -> None:
    def interrupted(finding: Finding) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judge(Alerts(on_alert=interrupted), cause())


def test_what_is_shown_of_the_steps_does_not_grow_with_a_run() -> None:
    alerts, sink = Alerts(), Sink()
    alerts.sinks.append(sink)
    for index in range(20_000):
        alerts.measured(lambda: RECORDING, Step(index=index))
    assert len(sink.calls) == 999 + 900 + 101
    alerts.measured(lambda: RECORDING, Step(index=20_000, loss=float("nan")))  # one that is broken always is
    assert len(sink.calls) == 999 + 900 + 101 + 1

"""Which alerts are reported, where, and how often."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from inithealth import Finding, Report, Severity
from inithealth.console.log import Log
from inithealth.recording import Recording, Step
from inithealth.sessions.alerts import Alerts

RECORDING = Recording(model="Net", layers=(), steps=(Step(index=0),))


def cause(code: str = "IH204", layer: str = "body.0", severity: Severity = Severity.ERROR) -> Finding:
    return Finding(code=code, rule="some-rule", severity=severity, layers=(layer,), message=f"{layer} is wrong")


def judge(alerts: Alerts, *findings: Finding, **fields: Any) -> None:
    alerts.judged(RECORDING, Report(model="Net", findings=findings, **fields), 0)


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    """Return the log's lines with their levels, without the common prefix and without reports."""
    found = [(each.levelno, each.getMessage()) for each in caplog.records if not hasattr(each, "report")]
    assert all(text.startswith("inithealth: ") for _, text in found)
    return [(level, text.removeprefix("inithealth: ")) for level, text in found]


def reports(caplog: pytest.LogCaptureFixture) -> list[tuple[int, Report]]:
    return [(each.levelno, each.report) for each in caplog.records if hasattr(each, "report")]


@pytest.fixture(autouse=True)
def _everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="inithealth")


class Sink:
    """Collects what it receives."""

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


def test_each_cause_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    alarms: list[Finding] = []
    alerts = Alerts(on_alert=alarms.append)
    one, other = cause(layer="body.0"), cause(layer="body.2")
    for findings in ((one,), (one,), (one, other), (other,)):
        judge(alerts, *findings)
    assert alarms == [one, other]
    assert [(level, report.findings) for level, report in reports(caplog)] == [(logging.ERROR, (one,))]
    assert lines(caplog) == [
        (logging.ERROR, "IH204 some-rule: body.2 is wrong"),
        (logging.INFO, "resolved at step 0: IH204 some-rule in body.0"),
    ]


def test_one_alert_stays_the_same_for_any_worst_layer(caplog: pytest.LogCaptureFixture) -> None:
    alerts = Alerts()
    for layer in ("body.0", "body.2", "body.0"):
        judge(alerts, cause("IH402", layer=layer))
    judge(alerts)
    judge(alerts, cause("IH402", layer="body.4"))
    assert len(reports(caplog)) == 1
    assert lines(caplog) == [(logging.INFO, "resolved at step 0: IH402 some-rule")]


def test_nothing_is_resolved_by_a_step_with_nan(caplog: pytest.LogCaptureFixture) -> None:
    alerts = Alerts()
    judge(alerts, cause("IH402"))
    not_finite = Finding(
        code="IH405", rule="non-finite-loss", severity=Severity.ERROR, layers=(), message="the loss is NaN"
    )
    judge(alerts, not_finite)
    assert not any("resolved" in text for _, text in lines(caplog))
    caplog.clear()
    judge(alerts)
    assert sorted(text for _, text in lines(caplog)) == [
        "resolved at step 0: IH402 some-rule",
        "resolved at step 0: IH405 non-finite-loss",
    ]


def test_no_line_is_logged_twice(caplog: pytest.LogCaptureFixture) -> None:
    alerts = Alerts()
    judge(alerts, cause(severity=Severity.INFO, layer="first"))
    judge(alerts, *(cause(layer=layer) for layer in ("first", "second")), cause("IH206", severity=Severity.INFO))
    judge(alerts, cause(layer="third"))
    logged = [line for record in caplog.records for line in record.getMessage().splitlines() if "is wrong" in line]
    assert sorted(line.split()[-3] for line in logged) == ["body.0", "first", "first", "second", "third"]
    assert len(set(logged)) == len(logged)  # "first" was info before it was an error


@pytest.mark.parametrize(
    ("findings", "fields", "resumed", "expected"),
    [
        ((), {}, False, "Net, 0 layers"),
        ((), {}, True, "Net, 0 layers; resumed: the initialization is not judged"),
        (("info",), {}, False, "Net, 0 layers; info: IH204 some-rule"),
        (("info", "suppressed"), {}, False, "Net, 0 layers; info: IH204 some-rule; 1 suppressed"),
        ((), {"not_measured": ("a: b",)}, False, "Net, 0 layers; not everything was measured: see the report"),
    ],
)
def test_a_healthy_start_is_one_line_that_lists_what_is_missing(
    findings: tuple[str, ...],
    fields: dict[str, Any],
    resumed: bool,
    expected: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    known = {
        "info": cause(severity=Severity.INFO),
        "suppressed": cause("IH103").model_copy(update={"suppressed": "averages"}),
    }
    alerts = Alerts()
    alerts.resumed = resumed
    for _ in range(2):
        judge(alerts, *(known[name] for name in findings), **fields)
    assert lines(caplog)[0] == (logging.INFO, f"healthy at step 0 ({expected})")
    assert [text for _, text in lines(caplog)[1:] if "healthy" in text] == []
    assert all(level == logging.INFO for level, _ in lines(caplog))
    assert reports(caplog) == []


def test_the_healthy_line_has_two_of_many_notes(caplog: pytest.LogCaptureFixture) -> None:
    judge(Alerts(), *(cause(code, severity=Severity.INFO) for code in ("IH1", "IH2", "IH3", "IH4")))
    assert "info: IH1 some-rule, IH2 some-rule and 2 more)" in lines(caplog)[0][1]


def test_an_info_finding_that_fails_the_report_is_not_healthy(caplog: pytest.LogCaptureFixture) -> None:
    judge(Alerts(), cause(severity=Severity.INFO), fail_on="info")
    assert lines(caplog) == []
    assert [level for level, _ in reports(caplog)] == [logging.WARNING]


def test_a_raised_report_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    alarms: list[Finding] = []
    alerts, sink = Alerts(on_alert=alarms.append), Sink()
    alerts.raised_at, alerts.sinks = (lambda index: index == 0), [sink]
    judge(alerts, cause())
    assert caplog.records == []
    assert (alarms, sink.calls) == ([cause()], ["report"])


def test_without_verbosity_nothing_is_logged_but_sinks_get_everything(caplog: pytest.LogCaptureFixture) -> None:
    alarms: list[Finding] = []
    alerts, sink = Alerts(on_alert=alarms.append, log=Log(verbose=False)), Sink(OSError("the disk is full"))
    alerts.sinks = [sink]
    judge(alerts, cause())
    judge(alerts)
    assert caplog.records == []
    assert (alarms, sink.calls) == ([cause()], ["report", "report"])


def test_a_worse_cause_is_reported_again_and_a_better_one_is_not() -> None:
    shown: list[Finding] = []
    alerts = Alerts(on_alert=shown.append)
    for severity in (Severity.WARNING, Severity.ERROR, Severity.WARNING, Severity.ERROR):
        judge(alerts, cause(severity=severity))
    assert [finding.severity for finding in shown] == [Severity.WARNING, Severity.ERROR]


def test_info_findings_do_not_call_the_callback(caplog: pytest.LogCaptureFixture) -> None:
    shown: list[Finding] = []
    with caplog.at_level(logging.INFO, "inithealth"):
        judge(Alerts(on_alert=shown.append), cause(severity=Severity.INFO))
    assert shown == []
    assert cause().code in caplog.text


def test_consequences_are_not_reported_separately() -> None:
    shown: list[Finding] = []
    follows = cause("IH304").model_copy(update={"role": "consequence", "explained_by": "IH204 body.0"})
    judge(Alerts(on_alert=shown.append), cause(), follows)
    assert shown == [cause()]


def test_the_level_in_the_log_is_the_severity(caplog: pytest.LogCaptureFixture) -> None:
    alerts = Alerts()
    judge(alerts, cause("IH101"))
    judge(alerts, cause("IH101"), *(cause(layer=severity.value, severity=severity) for severity in Severity))
    assert [level for level, _ in lines(caplog)] == [logging.INFO, logging.WARNING, logging.ERROR]


def test_the_report_is_shown_once_at_the_first_alarm(caplog: pytest.LogCaptureFixture) -> None:
    alerts = Alerts()
    judge(alerts)
    judge(alerts, cause(severity=Severity.INFO))
    assert reports(caplog) == []
    for severity in (Severity.WARNING, Severity.ERROR):
        judge(alerts, cause(severity=severity))
    [(level, report)] = reports(caplog)
    assert level == logging.WARNING
    assert report.findings[0].severity is Severity.WARNING
    assert lines(caplog)[-1] == (logging.ERROR, "IH204 some-rule: body.0 is wrong")


def test_ranks_other_than_0_are_quiet(caplog: pytest.LogCaptureFixture) -> None:
    shown: list[Finding] = []
    sink = Sink()
    alerts = Alerts(on_alert=shown.append)
    alerts.quiet, alerts.sinks = True, [sink]
    judge(alerts, cause())
    assert (shown, sink.calls, caplog.records) == ([], [], [])


def test_every_sink_gets_every_step_and_report() -> None:
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


def test_a_failing_sink_is_logged_and_the_others_are_called(caplog: pytest.LogCaptureFixture) -> None:
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
    assert "pager failed; the training continues" in caplog.text


def test_an_interrupt_is_raised() -> None:
    def interrupted(finding: Finding) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judge(Alerts(on_alert=interrupted), cause())


def test_the_number_of_written_steps_is_bounded() -> None:
    alerts, sink = Alerts(), Sink()
    alerts.sinks.append(sink)
    for index in range(20_000):
        alerts.measured(lambda: RECORDING, Step(index=index))
    assert len(sink.calls) == 999 + 900 + 101
    alerts.measured(lambda: RECORDING, Step(index=20_000, loss=float("nan")))  # a broken step is always written
    assert len(sink.calls) == 999 + 900 + 101 + 1

"""The verdict on a running training: updated when something may have changed, reported to the alerts."""

from __future__ import annotations

from inithealth.findings import Report, Severity
from inithealth.judge.diagnose import diagnose, of_steps
from inithealth.sessions.alerts import Alerts
from inithealth.sessions.history import History
from inithealth.settings import Settings


class Verdicts:
    """Judges the recording of one run.

    Args:
        history: the recorded steps.
        settings: select the rules.
        alerts: report the findings.
    """

    def __init__(self, history: History, settings: Settings, alerts: Alerts) -> None:
        self._history, self._settings, self._alerts = history, settings, alerts
        self._news = False
        self._report: Report | None = None
        self._of_steps: set[tuple[str, Severity]] = set()  # last findings of the rules that compare steps

    @property
    def report(self) -> Report:
        """The report of the steps so far."""
        if self._report is None:
            self._report = diagnose(self._history.recording, self._settings)
        return self._report

    def take_news(self) -> bool:
        """Return whether the findings may have changed since the last call."""
        news, self._news = self._news, False
        return news

    def discard(self) -> None:
        """Discard the report, because the recording has changed."""
        self._report = None

    def judge(self, index: int) -> None:
        """Judge the recording and report the findings.

        Args:
            index: of the latest step.
        """
        self._news = True
        self._alerts.judged(self._history.recording, self.report, index)

    def steps_have_changed(self) -> bool:
        """Return whether the findings of the rules that compare steps have changed."""
        found = {(each.key, each.severity) for each in of_steps(self._history.recording, self._settings)}
        before, self._of_steps = self._of_steps, found
        return found != before

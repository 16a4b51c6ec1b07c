"""The verdict on a running training: judged again when something may have changed, reported to the alerts."""

from __future__ import annotations

from inithealth.findings import Report, Severity
from inithealth.judge.diagnose import diagnose, of_steps
from inithealth.sessions.alerts import Alerts
from inithealth.sessions.history import History
from inithealth.settings import Settings


class Verdicts:
    """Judges the history of one run.

    Args:
        history: the numbers so far.
        settings: which rules judge them.
        alerts: where findings are reported.
    """

    def __init__(self, history: History, settings: Settings, alerts: Alerts) -> None:
        self._history, self._settings, self._alerts = history, settings, alerts
        self._news = False
        self._report: Report | None = None
        self._of_steps: set[tuple[str, Severity]] = set()  # what the rules of the steps found last

    @property
    def report(self) -> Report:
        """The report of the steps so far."""
        if self._report is None:
            self._report = diagnose(self._history.recording, self._settings)
        return self._report

    def take_news(self) -> bool:
        """Whether the findings have changed since the last call."""
        news, self._news = self._news, False
        return news

    def discard(self) -> None:
        """The numbers have changed: the next report is a new one."""
        self._report = None

    def judge(self, index: int) -> None:
        """Report what is found now.

        Args:
            index: of the step that has brought something new.
        """
        self._news = True
        self._alerts.judged(self._history.recording, self.report, index)

    def steps_have_changed(self) -> bool:
        """Whether the rules that compare steps find something new, or something no longer."""
        found = {(each.key, each.severity) for each in of_steps(self._history.recording, self._settings)}
        before, self._of_steps = self._of_steps, found
        return found != before

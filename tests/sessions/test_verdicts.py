"""When a running training is judged again, and what is reported."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from inithealth import Settings
from inithealth.recording import Recording
from inithealth.sessions.alerts import Alerts
from inithealth.sessions.verdicts import Verdicts
from tests.rules.recordings import recording, stack
from tests.rules.runs import several

BROKEN = recording(stack(fc1={"weight": {"non_finite": 3}}))


class Listening(Alerts):
    """Stores the reports that it receives."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[int, list[str]]] = []

    def judged(self, recording: Recording, report: Any, index: int) -> None:
        self.heard.append((index, [cause.code for cause in report.causes]))


def verdicts(of: Recording, **settings: Any) -> tuple[Any, Verdicts, Listening]:
    history, alerts = SimpleNamespace(recording=of, errors=0), Listening()
    return history, Verdicts(history, Settings(**settings), alerts), alerts  # type: ignore[arg-type]


def test_a_report_is_kept_until_the_recording_changes() -> None:
    history, found, _ = verdicts(recording())
    first = found.report
    assert first.ok
    history.recording = BROKEN
    assert found.report is first
    found.discard()
    assert [cause.code for cause in found.report.causes] == ["IH101"]


def test_the_settings_are_used() -> None:
    _, found, _ = verdicts(BROKEN, ignore=("IH101",))
    assert "IH101" not in [cause.code for cause in found.report.causes]


def test_a_verdict_is_reported_and_is_news_once() -> None:
    _, found, alerts = verdicts(BROKEN)
    assert not found.take_news()
    found.judge(3)
    assert alerts.heard == [(3, ["IH101"])]
    assert found.take_news()
    assert not found.take_news()


def test_the_steps_have_changed_if_their_rules_find_something_else() -> None:
    history, found, _ = verdicts(several())
    assert not found.steps_have_changed()
    history.recording = several(losses=[2.3] * 11 + [float("nan")])
    assert found.steps_have_changed()
    assert not found.steps_have_changed()
    history.recording = several()
    assert found.steps_have_changed()

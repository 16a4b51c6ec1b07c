"""The progress line appears after two seconds, and on a terminal it is rewritten."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from types import SimpleNamespace

import pytest

from inithealth.cli import progress


@pytest.mark.parametrize(("patience", "said"), [(0.0, "inithealth: checking net ...\n"), (60.0, "")])
def test_the_line_appears_only_after_a_delay(
    patience: float, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "_PATIENCE", patience)
    with progress.telling("checking net"):
        time.sleep(0.1)
    assert capsys.readouterr().err == said


def test_an_error_ends_the_progress_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(progress, "_PATIENCE", 0.1)
    with pytest.raises(KeyError), progress.telling("checking net"):
        raise KeyError
    time.sleep(0.2)
    assert capsys.readouterr().err == ""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Replace the clock by the last value of the list."""
    times = [100.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: times[-1]))
    return times


def test_a_line_in_a_file_every_30_seconds(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with progress.live("checking net") as show:
        for second in range(70):
            clock.append(100.0 + second)
            show(f"{second} of 70")
    said = capsys.readouterr().err.splitlines()
    assert said == [f"inithealth: checking net: {second} of 70" for second in (2, 32, 62)]


def test_a_short_run_prints_nothing(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with progress.live("checking net") as show:
        for second in (0.0, 1.0, 1.9):
            clock.append(100.0 + second)
            show("text")
    assert capsys.readouterr().err == ""


def test_the_line_on_a_terminal_is_rewritten_and_cleared(
    clock: list[float], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "_is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    with suppress(KeyError), progress.live("checking") as show:
        for second, text in enumerate(("early", "early", "layer 10\n\x1b[2J", "layer 9", "x" * 99)):
            clock.append(100.0 + second)
            show(text)
        raise KeyError
    first, second, third, cleared, start = capsys.readouterr().err.split("\r")[1:]
    assert first.startswith("inithealth: checking: layer 10 ")
    assert "\x1b" not in first
    assert second.rstrip() == "inithealth: checking: layer 9"
    assert len(second) == len(first)
    assert len(third) == 39
    assert (cleared, start) == (" " * 39, "")


def test_a_closed_stderr_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    monkeypatch.setattr(progress, "_PATIENCE", 0.0)
    with progress.live("checking net") as show:
        show("text")

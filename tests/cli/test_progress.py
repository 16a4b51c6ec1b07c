"""The progress line appears after two seconds."""

from __future__ import annotations

import time

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

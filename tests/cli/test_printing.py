"""Results and notes are printed to streams of any kind."""

from __future__ import annotations

import io
import sys

import pytest

from inithealth.cli.printing import OutputError, noted, shown


def test_a_character_that_the_stream_lacks_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    shown("caf\xe9 \ud800")
    assert written.getvalue() == b"caf\\xe9 \\ud800\n"


def test_a_note_holds_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    noted("a\n::error::\x1b[31m\u202e##[group]")
    assert capsys.readouterr().err == "a\n\\x3a:error::\\x1b[31m\\u202e#\\x23[group]\n"


def test_nothing_is_printed_without_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    monkeypatch.setattr(sys, "stdout", None)
    shown("text")
    noted("text")


def test_a_closed_stream_is_an_error_for_a_result_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(sys, "stdout", stream)
    noted("text")
    with pytest.raises(OutputError, match="the output cannot be written: I/O operation on closed file"):
        shown("text")

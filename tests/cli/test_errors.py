"""The output for an error in the user's code."""

from __future__ import annotations

import json

import pytest

from inithealth.cli.errors import first_line, show_their_frames, their_frames


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("one\ntwo"), "ValueError: one"),
        (ValueError(" \n one"), "ValueError: one"),
        (KeyError("one"), "KeyError: 'one'"),
        (ValueError(), "ValueError"),
    ],
)
def test_the_first_line(error: Exception, line: str) -> None:
    assert first_line(error) == line


def raised_in_a_library() -> BaseException:
    try:
        json.loads("{")
    except ValueError as error:
        return error
    raise AssertionError


def test_only_the_users_own_frames_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    error = raised_in_a_library()
    assert [frame.name for frame in their_frames(error)] == ["raised_in_a_library"]
    show_their_frames(error)
    shown = capsys.readouterr().err
    assert shown.startswith("Traceback (most recent call last):\n")
    assert "raised_in_a_library" in shown
    assert "decoder.py" not in shown
    assert "JSONDecodeError: " in shown.splitlines()[-1]


def test_the_last_frame_is_shown_if_none_is_the_users(capsys: pytest.CaptureFixture[str]) -> None:
    error = raised_in_a_library()
    assert error.__traceback__ is not None
    error.__traceback__ = error.__traceback__.tb_next
    assert their_frames(error) == []
    show_their_frames(error)
    assert "decoder.py" in capsys.readouterr().err

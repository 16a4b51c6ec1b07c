"""Files are replaced as a whole, and nothing but regular files is opened."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from inithealth.saved import append, identity, read, write


def test_a_file_is_written_completely_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    file = tmp_path / "known.json"
    write(file, "old")
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write(file, "new")
    assert [each.name for each in tmp_path.iterdir()] == ["known.json"]
    assert file.read_text() == "old"


def test_characters_that_cannot_be_encoded_are_escaped(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "half a pair: \ud800")
    assert (tmp_path / "a.txt").read_text() == r"half a pair: \ud800"


def test_a_file_is_read_up_to_a_limit(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345678")
    assert read(tmp_path / "a", 8) == b"12345678"
    with pytest.raises(ValueError, match="has more than 0 MiB"):
        read(tmp_path / "a", 7)


def test_text_is_appended(tmp_path: Path) -> None:
    for text in ("one ", "two"):
        append(tmp_path / "summary", text)
    assert (tmp_path / "summary").read_text() == "one two"


def test_all_names_of_a_file_have_one_identity(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("a")
    assert identity(tmp_path / "a") == identity(f"{tmp_path}/x/../a") == identity(tmp_path / "link")
    (tmp_path / "a").write_text("")
    os.link(tmp_path / "a", tmp_path / "b")
    assert identity(tmp_path / "a") == identity(tmp_path / "b") == identity(tmp_path / "link")
    assert identity(tmp_path / "a") != identity(tmp_path / "c")

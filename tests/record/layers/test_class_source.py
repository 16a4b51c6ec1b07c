"""The definition of a class, and the path shown to users."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from inithealth.record.layers.class_source import ClassSources, definition, relative


class Outer:
    class Inner:
        pass


def made_within() -> type:
    class Within:
        pass

    return Within


def within_a_condition() -> type:
    if made_within():

        class Conditional:
            pass

        return Conditional
    return Outer


@pytest.mark.parametrize("kind", [Outer, Outer.Inner, made_within(), within_a_condition()])
def test_a_class_is_found_by_its_qualified_name(kind: type) -> None:
    found = ClassSources().of(kind)
    assert found is not None
    path, statement = found
    assert path.endswith("test_class_source.py")
    assert statement.name == kind.__name__
    assert Path(__file__).read_text(encoding="utf-8").splitlines()[statement.lineno - 1].strip().startswith("class ")


def test_a_class_without_a_file_is_not_found() -> None:
    assert ClassSources().of(int) is None
    assert ClassSources().of(type("Made", (), {"__module__": "typed"})) is None


def test_a_file_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read, real = [], ast.parse
    monkeypatch.setattr(ast, "parse", lambda *args: read.append(1) or real(*args))
    sources = ClassSources()
    sources.of(Outer)
    sources.of(Outer.Inner)
    assert len(read) == 1


def test_a_definition_is_a_path_and_a_line() -> None:
    found = definition(made_within)
    assert found is not None
    path, _, line = found.rpartition(":")
    assert path.endswith("layers/test_class_source.py")
    assert Path(__file__).read_text(encoding="utf-8").splitlines()[int(line) - 1].startswith("def made_within")
    assert definition(len) is None


def test_a_path_is_relative_to_its_repository_or_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "repository" / ".git").mkdir(parents=True)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert relative(str(tmp_path / "repository" / "nets" / "a.py")) == "nets/a.py"
    assert relative(str(tmp_path / "here" / "b.py")) == "b.py"
    assert relative(str(tmp_path / "there" / "c.py")) == (tmp_path / "there" / "c.py").as_posix()


def test_an_undecodable_file_name_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert relative(str(tmp_path / "a\udcff.py")) == "a\\udcff.py"

"""A class as it is written: its statement in its file's syntax tree."""

from __future__ import annotations

import ast
import inspect
import linecache
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any


class ClassSources:
    """Reads each file once."""

    def __init__(self) -> None:
        self._files: dict[str, dict[str, ast.ClassDef]] = {}

    def of(self, kind: type[Any]) -> tuple[str, ast.ClassDef] | None:
        """The file and the statement; None where they are not there: typed into a shell, made by exec, file gone."""
        try:
            file = inspect.getsourcefile(kind)
        except (OSError, TypeError):
            return None
        if file is None:
            return None
        if file not in self._files:
            self._files[file] = _classes_in(file)
        statement = self._files[file].get(kind.__qualname__.replace(".<locals>", ""))
        return None if statement is None else (relative(file), statement)


def _classes_in(file: str) -> dict[str, ast.ClassDef]:
    """By qualified name, without the marks of functions; of several the last one."""
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError, RecursionError):
        return {}
    return dict(_classes(tree, ""))


def _classes(node: ast.AST, home: str) -> Iterator[tuple[str, ast.ClassDef]]:
    for child in ast.iter_child_nodes(node):
        named = isinstance(child, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        name = f"{home}{child.name}" if isinstance(child, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) else ""
        if isinstance(child, ast.ClassDef):
            yield name, child
        if named or isinstance(child, (ast.If, ast.Try, ast.With)):
            yield from _classes(child, f"{name}." if named else home)


def definition(code: Any) -> str | None:
    """``path:line`` of a function or class; None where its source is not there."""
    try:
        file, (_, line) = inspect.getsourcefile(code), inspect.getsourcelines(code)
    except (OSError, TypeError):
        return None
    return None if file is None else f"{relative(file)}:{max(line, 1)}"


@lru_cache(maxsize=1024)
def relative(file: str) -> str:
    """The path from the root of the repository, else from the current folder; whole where it is in neither."""
    path = Path(file).resolve()
    root = next((folder for folder in path.parents if (folder / ".git").exists()), Path.cwd())
    inside = path.is_relative_to(root) and not path.is_relative_to(Path(sys.prefix).resolve())
    text = (path.relative_to(root) if inside else path).as_posix()
    return text.encode("utf-8", "backslashreplace").decode()  # a name in bytes that are no text would break JSON

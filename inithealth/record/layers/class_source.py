"""The definition of a class in the syntax tree of its file."""

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
    """Finds class definitions. Parses each file once."""

    def __init__(self) -> None:
        self._files: dict[str, dict[str, ast.ClassDef]] = {}

    def of(self, kind: type[Any]) -> tuple[str, ast.ClassDef] | None:
        """Return file and definition; None without a source file, as in a shell or after exec."""
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
    """Return the classes by qualified name, without ``<locals>``; the last one of several with the same name."""
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
    """Return ``path:line`` of a function or class; None without source."""
    try:
        file, (_, line) = inspect.getsourcefile(code), inspect.getsourcelines(code)
    except (OSError, TypeError):
        return None
    return None if file is None else f"{relative(file)}:{max(line, 1)}"


@lru_cache(maxsize=1024)
def relative(file: str) -> str:
    """Return the path relative to the repository or the current folder; the absolute path if it is in neither."""
    path = Path(file).resolve()
    root = next((folder for folder in path.parents if (folder / ".git").exists()), Path.cwd())
    inside = path.is_relative_to(root) and not path.is_relative_to(Path(sys.prefix).resolve())
    text = (path.relative_to(root) if inside else path).as_posix()
    return text.encode("utf-8", "backslashreplace").decode()  # a file name that is not valid UTF-8 would break JSON

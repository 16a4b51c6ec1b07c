"""Which line builds a layer: where its parent's class assigns it, else its container, else the class itself."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from torch import nn

# Where nobody can change a layer. Classes of other libraries are pointed at.
_NOT_THEIRS = ("torch", "pytorch_lightning", "lightning", "inithealth", "builtins", "abc", "typing")
_CALLS = ("add_module", "register_module", "register_parameter", "register_buffer", "setattr", "__setattr__")


_Read = dict[type[Any], "_Assignments | None"]


def sources(modules: Mapping[str, nn.Module], names: Iterable[str]) -> dict[str, str]:
    """``path:line`` by name, for those whose source can be read; the path from the repository's root.

    Args:
        modules: of the whole model, by name; "" is the model itself.
        names: of modules and parameters.
    """
    found: dict[str, str] = {}
    read: _Read = {}
    for name in names:
        line = _line(modules, name, read)
        if line is not None:
            found[name] = line
    return found


def _line(modules: Mapping[str, nn.Module], name: str, read: _Read) -> str | None:
    """Upwards until a class says something of the part of the name that it holds."""
    parts = name.split(".") if name else []
    for depth in range(len(parts) - 1, -1, -1):
        parent = modules.get(".".join(parts[:depth]))
        written = [each for kind in _classes(parent) if (each := _assignments(kind, read)) is not None]
        for each in written:
            line = each.of(parts[depth], parts[depth + 1 :], _type_name(modules.get(name)))
            if line is not None:
                return f"{each.path}:{line}"
        if written:  # it makes the layer in a way that is not read here
            return f"{written[0].path}:{written[0].line}"
    return None


def _type_name(module: nn.Module | None) -> str:
    return type(module).__name__ if module is not None else "Parameter"


def _classes(module: nn.Module | None) -> Iterator[type[Any]]:
    """The classes of a module that somebody wrote for this model."""
    for kind in type(module).__mro__ if module is not None else ():
        if kind.__module__.split(".")[0] not in _NOT_THEIRS:
            yield kind


class _Assignments:
    """What one class assigns to ``self``, by name."""

    def __init__(self, kind: type[Any], path: str) -> None:
        lines, start = inspect.getsourcelines(kind)
        self.path = path
        tree = ast.parse(textwrap.dedent("".join(lines)))
        ast.increment_lineno(tree, start - 1)
        body = tree.body[0]
        self.line = body.lineno
        self._values: dict[str, list[tuple[int, ast.AST | None]]] = {}
        for node in ast.walk(body):
            for name, value in _assigned(node):
                self._values.setdefault(name, []).append((node.lineno, value))  # type: ignore[attr-defined]

    def of(self, name: str, within: list[str], type_name: str) -> int | None:
        """The line of an attribute, or of an element of the container that it holds."""
        places = self._values.get(name)
        if not places:
            return None
        # Of several assignments that which names the type, as in an if and its else.
        line, value = next(((at, v) for at, v in places if v is not None and _names(v, type_name)), places[-1])
        for part in within:
            element = _element(value, part)
            if element is None:
                break
            line, value = element.lineno, element
        return line


def _assigned(node: ast.AST) -> Iterator[tuple[str, ast.AST | None]]:
    """The attributes of ``self`` that a statement or call sets, and to what."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            many = isinstance(target, (ast.Tuple, ast.List))
            for each in target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target]:
                if isinstance(each, ast.Attribute) and _is_self(each.value):
                    yield each.attr, None if many else node.value
    elif isinstance(node, (ast.AnnAssign, ast.AugAssign)):
        if isinstance(node.target, ast.Attribute) and _is_self(node.target.value):
            yield node.target.attr, node.value
    elif isinstance(node, ast.Call):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        strings = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
        if called in _CALLS and strings:
            yield strings[0], node.args[-1]


def _is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def _names(value: ast.AST, type_name: str) -> bool:
    return any(type_name in (getattr(node, "attr", None), getattr(node, "id", None)) for node in ast.walk(value))


def _element(value: ast.AST | None, part: str) -> ast.expr | None:
    """The n-th of what a container is written with, or the one of that key."""
    if not isinstance(value, ast.Call):
        return None
    items: list[ast.expr] = list(value.args)
    if len(items) == 1 and isinstance(items[0], ast.Dict):
        keys = {
            key.value: item
            for key, item in zip(items[0].keys, items[0].values, strict=True)
            if isinstance(key, ast.Constant)
        }
        return keys.get(part)
    if len(items) == 1 and isinstance(items[0], (ast.List, ast.Tuple)):
        items = items[0].elts
    place = int(part) if part.isdigit() else -1
    written = 0 <= place < len(items) and not any(isinstance(item, ast.Starred) for item in items[: place + 1])
    return items[place] if written and not isinstance(items[place], (ast.ListComp, ast.GeneratorExp)) else None


def _assignments(kind: type[Any], read: _Read) -> _Assignments | None:
    """None for a class whose source is not there: typed into a shell, made by exec, its file gone."""
    if kind not in read:
        try:
            file = inspect.getsourcefile(kind)
            read[kind] = None if file is None else _Assignments(kind, relative(file))
        except (OSError, TypeError, SyntaxError, ValueError, IndexError):
            read[kind] = None
    return read[kind]


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

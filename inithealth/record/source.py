"""Which line builds a layer: where its parent's class assigns it, else its container, else the class itself."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from torch import nn

from inithealth.record.class_source import ClassSources

# Where nobody can change a layer. Classes of other libraries are pointed at.
_NOT_THEIRS = ("torch", "pytorch_lightning", "lightning", "inithealth", "builtins", "abc", "typing")
_CALLS = ("add_module", "register_module", "register_parameter", "register_buffer", "setattr", "__setattr__")


def sources(modules: Mapping[str, nn.Module], names: Iterable[str]) -> dict[str, str]:
    """``path:line`` by name, for those whose source can be read; the path from the repository's root.

    Args:
        modules: of the whole model, by name; "" is the model itself.
        names: of modules and parameters.
    """
    found: dict[str, str] = {}
    read = _Assigned()
    for name in names:
        line = _line(modules, name, read)
        if line is not None:
            found[name] = line
    return found


def _line(modules: Mapping[str, nn.Module], name: str, read: _Assigned) -> str | None:
    """Upwards until a class says something of the part of the name that it holds."""
    parts = name.split(".") if name else []
    for depth in range(len(parts) - 1, -1, -1):
        parent = modules.get(".".join(parts[:depth]))
        written = [each for kind in _classes(parent) if (each := read.by(kind)) is not None]
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


class _Assigned:
    """What each class assigns to ``self``; looked up once."""

    def __init__(self) -> None:
        self._sources = ClassSources()
        self._found: dict[type[Any], _Assignments | None] = {}

    def by(self, kind: type[Any]) -> _Assignments | None:
        """None for a class whose source is not there."""
        if kind not in self._found:
            written = self._sources.of(kind)
            self._found[kind] = None if written is None else _Assignments(*written)
        return self._found[kind]


class _Assignments:
    """What one class assigns to ``self``, by name."""

    def __init__(self, path: str, statement: ast.ClassDef) -> None:
        self.path, self.line = path, statement.lineno
        self._values: dict[str, list[tuple[int, ast.AST | None]]] = {}
        for node in ast.walk(statement):
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

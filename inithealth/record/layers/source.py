"""The source line that creates a layer: its assignment in the parent's class, its container's, or the class."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import nn

from inithealth.record.layers.class_source import ClassSources

# Packages whose source the user does not change. Classes of other libraries are reported.
_NOT_REPORTED = (
    "torch",
    "pytorch_lightning",
    "lightning",
    "lightning_fabric",
    "inithealth",
    "builtins",
    "abc",
    "typing",
)
_CALLS = ("add_module", "register_module", "register_parameter", "setattr", "__setattr__")
# Modules whose classes replace the user's class.
_SUBSTITUTES = ("torch.nn.utils.parametrize", "torch.distributed")


def sources(modules: Mapping[str, nn.Module], names: Iterable[str]) -> dict[str, str]:
    """Return ``path:line`` by name, for names with readable source; paths are relative to the repository.

    Args:
        modules: of the whole model, by name; "" is the model itself.
        names: of modules and parameters.
    """
    read = _Assigned()
    lines = {name: _line(modules, name, read) for name in names}
    return {name: line for name, line in lines.items() if line is not None}


def _line(modules: Mapping[str, nn.Module], name: str, read: _Assigned) -> str | None:
    """Return the line in the nearest parent whose class assigns the next part of the name."""
    parts = name.split(".") if name else []
    for depth in range(len(parts) - 1, -1, -1):
        parent, first = modules.get(".".join(parts[:depth])), None
        for kind in _classes(parent):  # base classes are read only if needed: those of libraries are long
            each = read.by(kind)
            line = each and each.of(parts[depth], _within(modules, parts, depth), _type_name(modules.get(name)))
            if each and line:
                return f"{each.path}:{line}"
            first = first or each
        if first is not None:  # the class creates the layer in an unsupported way
            return f"{first.path}:{first.line}"
    return None


def _within(modules: Mapping[str, nn.Module], parts: list[str], depth: int) -> list[tuple[str, str]]:
    """Return the path below an attribute: the type of each container and the name of its next element."""
    return [(_type_name(modules.get(".".join(parts[:at]))), parts[at]) for at in range(depth + 1, len(parts))]


def _type_name(module: nn.Module | None) -> str:
    written = (kind for kind in type(module).__mro__ if not str(kind.__module__).startswith(_SUBSTITUTES))
    return next(written).__name__ if module is not None else "Parameter"


def _classes(module: nn.Module | None) -> Iterator[type[Any]]:
    """Yield the classes of a module that are not from the packages above."""
    for kind in type(module).__mro__ if module is not None else ():
        if str(kind.__module__).split(".")[0] not in _NOT_REPORTED:
            yield kind


class _Assigned:
    """The assignments to ``self`` of each class; read once."""

    def __init__(self) -> None:
        self._sources = ClassSources()
        self._found: dict[type[Any], _Assignments | None] = {}

    def by(self, kind: type[Any]) -> _Assignments | None:
        """Return the assignments of a class; None without source."""
        if kind not in self._found:
            written = self._sources.of(kind)
            self._found[kind] = None if written is None else _Assignments(*written)
        return self._found[kind]


@dataclass(eq=False)
class _Value:
    """The expression assigned at a line; None if it is only part of an assignment."""

    line: int
    written: ast.expr | None

    @cached_property
    def words(self) -> frozenset[str]:
        nodes = ast.walk(self.written) if self.written is not None else ()
        return frozenset(str(getattr(node, "attr", None) or getattr(node, "id", "")) for node in nodes)

    @cached_property
    def elements(self) -> dict[str | None, _Value]:
        """The elements of a container by name."""
        found = _elements(self.written) if isinstance(self.written, ast.Call) else ()
        return {name: _Value(item.lineno, item) for name, item in found}


class _Assignments:
    """The assignments to ``self`` in one class, by name."""

    def __init__(self, path: str, statement: ast.ClassDef) -> None:
        self.path, self.line = path, statement.lineno
        self._values: dict[str, list[_Value]] = {}
        for node in _nodes(statement):
            for name, written in _assigned(node):
                if not isinstance(written, ast.Constant):  # such as None before the layer is created
                    self._values.setdefault(name, []).append(_Value(getattr(node, "lineno", self.line), written))

    def of(self, name: str, within: list[tuple[str, str]], type_name: str) -> int | None:
        """Return the line of an attribute, or of an element of its container; None if it is not assigned."""
        values = self._values.get(name)
        if not values:
            return None
        # Several assignments, as in an if and its else: the one with the name of the type.
        several = values if len(values) > 1 else ()
        value = next((each for each in several if type_name in each.words), values[-1])
        for container, part in within:
            # The arguments of other calls are not necessarily the elements.
            if _called(value.written) != container:
                break
            value = value.elements.get(part, _Value(value.line, None))
        return value.line


def _nodes(statement: ast.ClassDef) -> Iterator[ast.AST]:
    """Yield the nodes of a class in order, without nested classes, whose ``self`` is a different object."""
    left: list[ast.AST] = [statement]
    while left:
        node = left.pop()
        yield node
        left.extend(child for child in [*ast.iter_child_nodes(node)][::-1] if not isinstance(child, ast.ClassDef))


def _assigned(node: ast.AST) -> Iterator[tuple[str, ast.expr | None]]:
    """Yield the attributes of ``self`` that a statement or call sets, and their values."""
    if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)) and node.value is not None:
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            for each in getattr(target, "elts", [target]):
                if isinstance(each, ast.Attribute) and _is_self(each.value):
                    yield each.attr, node.value if each is target else None
    elif isinstance(node, ast.Call) and _called(node) in _CALLS:
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        home = node.func.value if isinstance(node.func, ast.Attribute) else None
        name = next((text for each in given if (text := _text(each)) is not None), None)
        if name is not None and (_called(home) == "super" or any(_is_self(each) for each in (home, *given[:1]))):
            yield name, given[-1]


def _elements(container: ast.Call) -> Iterator[tuple[str | None, ast.expr]]:
    """Yield the arguments of a container by key or position, up to the first starred one."""
    given = [*container.args, *(keyword.value for keyword in container.keywords)]
    only = given[0] if len(given) == 1 else None
    if isinstance(only, ast.Call) and _called(only) in ("OrderedDict", "dict"):
        yield from ((keyword.arg, keyword.value) for keyword in only.keywords)
        only = only.args[0] if only.args else None
    if isinstance(only, ast.Dict):
        yield from ((_text(key), item) for key, item in zip(only.keys, only.values, strict=True))
    listed = given if _called(container) == "Sequential" else []
    for place, item in enumerate(only.elts if isinstance(only, (ast.List, ast.Tuple)) else listed):
        if isinstance(item, ast.Starred):
            return
        pair = item.elts if isinstance(item, (ast.List, ast.Tuple)) and len(item.elts) == 2 else None
        yield (_text(pair[0]), pair[1]) if pair else (str(place), item)


def _is_self(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def _text(node: ast.AST | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _called(node: ast.AST | None) -> str:
    """Return the last part of the name of the called function."""
    function = node.func if isinstance(node, ast.Call) else None
    return str(getattr(function, "attr", None) or getattr(function, "id", ""))

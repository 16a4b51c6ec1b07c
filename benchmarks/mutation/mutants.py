"""Creates mutants with mutmut's operators. Code that only people or type checkers read is not mutated."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import libcst as cst
import libcst.matchers as m
from libcst.metadata import MetadataWrapper
from mutmut.mutation.mutators import mutation_operators, operator_string

_TEXT = m.SimpleString() | m.ConcatenatedString() | m.FormattedString()
_TYPE = m.Subscript(value=m.Name("Callable") | m.Name("Literal") | m.Name("Annotated") | m.Name("TypeVar"))
_LOGGED = m.Call(func=m.Attribute(value=m.Name("logger") | m.Name("_logger") | m.Name("log") | m.Name("_log")))
# Decorators are caches and registrations; `strict` of zip is a check that never fails.
_LEFT_ALONE = (
    m.Import()
    | m.ImportFrom()
    | m.Annotation()
    | m.Decorator()
    | m.If(test=m.Name("TYPE_CHECKING"))
    | m.Assign(targets=[m.AssignTarget(target=m.Name("__all__"))])
    | m.Assign(value=_TEXT | _TYPE)
    | m.AnnAssign(value=_TEXT)
    | m.Arg(keyword=m.Name("strict"))
    | _LOGGED
)


@dataclass(frozen=True)
class Mutant:
    """A single change in a file."""

    path: Path
    original: cst.CSTNode
    replacement: cst.CSTNode
    module: cst.Module

    @cached_property
    def source(self) -> str:
        return self.module.deep_replace(self.original, self.replacement).code  # type: ignore[union-attr]

    @cached_property
    def change(self) -> tuple[int, str]:
        """Return the line number, and "before -> after"."""
        before, after = self.module.code.splitlines(), self.source.splitlines()
        matcher = difflib.SequenceMatcher(a=before, b=after, autojunk=False)
        _, low, high, start, end = next(code for code in matcher.get_opcodes() if code[0] != "equal")
        return low + 1, f"{_one_line(before[low:high])} -> {_one_line(after[start:end])}"


def _one_line(lines: Iterable[str]) -> str:
    return " ".join(line.strip() for line in lines)


def shown(change: str, width: int = 60) -> str:
    """Return the part of a change in which its two sides differ."""
    before, _, after = change.partition(" -> ")
    same = next((at for at, pair in enumerate(zip(before, after, strict=False)) if pair[0] != pair[1]), len(after))
    start = max(0, same - width // 3)
    dots = "..." if start else ""
    return f"{dots}{before[start : start + width]} -> {dots}{after[start : start + width]}"


def mutants_of(path: Path) -> list[Mutant]:
    """Return every mutant of a file, in line order."""
    module = MetadataWrapper(cst.parse_module(path.read_text(encoding="utf-8"))).module
    visitor = _Visitor()
    module.visit(visitor)
    return [Mutant(path, old, new, module) for old, new in visitor.found]


class _Visitor(cst.CSTVisitor):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[cst.CSTNode, cst.CSTNode]] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        if m.matches(node, _LEFT_ALONE):
            return False
        self.found += [(node, new) for new in _replacements(node) if not _changes_text(node, new)]
        return True


def _replacements(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    operators: Iterable[tuple[type, Callable[[Any], Iterable[cst.CSTNode]]]] = mutation_operators
    for kind, operator in operators:
        if isinstance(node, kind) and operator is not operator_string:
            yield from operator(node)


def _changes_text(node: cst.CSTNode, new: cst.CSTNode) -> bool:
    """Return whether the removed or replaced argument is a string, or one that is not mutated."""
    if not isinstance(node, cst.Call) or not isinstance(new, cst.Call):
        return False
    kept = {id(arg) for arg in new.args}
    changed = [arg for arg in node.args if id(arg) not in kept]
    return any(m.matches(arg.value, _TEXT) or m.matches(arg, _LEFT_ALONE) for arg in changed)


def digest(*texts: str) -> str:
    """Return a key for a source and the tests run against it."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:20]

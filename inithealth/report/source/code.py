"""The statements of a Python file that build attributes of modules. Needs libcst."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cached_property

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

from inithealth.report.source.constructors import (
    BRANCHES,
    constructor_of,
    is_constructor,
    is_import,
    refuse_return,
    starts,
)
from inithealth.report.source.place import Place, Refused
from inithealth.report.source.syntax import assigned, descendants, harmless, imports, variables
from inithealth.report.source.writers import Writer, bases, writers

_SIMPLE = (cst.SimpleStatementLine, cst.SimpleStatementSuite)
_IMPORTED = {"nn": "torch.nn", "math": "math"}
_LOCAL = ("i", "dt")  # variables of the code that is inserted


class SourceCode:
    """A parsed file.

    Raises:
        Refused: it is not valid Python.
    """

    def __init__(self, text: str) -> None:
        try:
            wrapper = MetadataWrapper(cst.parse_module(text), unsafe_skip_copy=True)  # safe for what the parser returns
            self._positions = wrapper.resolve(PositionProvider)
        except (cst.ParserSyntaxError, RecursionError, ValueError):
            raise Refused("it is not valid Python") from None
        self.module = wrapper.module
        self.newline = self.module.default_newline
        self.lines = list(io.StringIO(text, newline=""))

    @cached_property
    def writers(self) -> tuple[Writer, ...]:
        """The functions that initialize layers."""
        return tuple(writers(self.module, self.first))

    @cached_property
    def bases(self) -> dict[str, frozenset[str]]:
        """The names of the base classes of each class."""
        return bases(self.module)

    @cached_property
    def _variables(self) -> frozenset[str]:
        """The names that any code of the file assigns."""
        return variables(self.module)

    def first(self, node: cst.CSTNode) -> int:
        """Return the first line of a node, from 1."""
        return self._positions[node].start.line

    def last(self, node: cst.CSTNode) -> int:
        """Return the last line of a node that has code: the comments after a block do not count."""
        simple = [self._positions[each].end.line for each in descendants(node) if isinstance(each, _SIMPLE)]
        return max(simple, default=self._positions[node].end.line)

    def place(self, line: int) -> Place:
        """Return the place of the attribute that is assigned at a line.

        Raises:
            Refused: the line assigns none, or more than one statement does.
        """
        path = self._path(line)
        statement, attributes = path[-1], assigned(path[-1])
        if not attributes:
            raise Refused(f"line {line} is not a statement `self.NAME = ...`")
        owner, constructor, branches = constructor_of(path[:-1])
        statements = [attribute for each in descendants(owner, skip=(cst.ClassDef,)) for attribute in assigned(each)]
        for name in attributes:
            if statements.count(name) > 1:
                raise Refused(f"{owner.name.value} assigns self.{name} in several statements")
        return Place(
            owner=owner.name.value,
            attributes=attributes,
            first=self.first(statement),
            last=self.last(statement),
            after=self._after(statement, attributes, constructor, branches),
            indent=self._indent(self.first(statement)),
            newline=self.newline,
            code=self.module.code_for_node(statement),
        )

    def constructor(self, name: str) -> Place:
        """Return the place at the end of the ``__init__`` of a class.

        Raises:
            Refused: there is no such class, or there are several.
        """
        classes = [
            each for each in descendants(self.module) if isinstance(each, cst.ClassDef) and each.name.value == name
        ]
        found = [each for owner in classes for each in _statements(owner) if is_constructor(each)]
        if len(classes) != 1 or len(found) != 1:
            raise Refused(f"it has not exactly one {name}.__init__")
        function = found[0]
        _, body, _ = constructor_of([self.module, classes[0], function])
        refuse_return(body)
        block = _block(function)
        return Place(
            owner=name,
            attributes=tuple(attribute for each in descendants(function) for attribute in assigned(each)),
            first=self.first(function),
            last=self.last(function),
            after=self.last(function),
            indent=self._indent(self.first(block[0])),
            newline=self.newline,
            code=self.module.code_for_node(function),
        )

    def import_line(self, name: str) -> int | None:
        """Return the line after which ``nn`` or ``math`` is to be imported; None if it is imported already.

        Raises:
            Refused: the name is something else in this file.
        """
        found = [each for each in imports(self.module) if each.name == name]
        if any(each.of != _IMPORTED[name] for each in found) or (not found and name in self._variables):
            raise Refused(f"the name {name} is not {_IMPORTED[name]} in it")
        if found:
            return None
        body = self.module.body
        existing = [each for each in body if isinstance(each, cst.SimpleStatementLine) and is_import(each)]
        if existing and name == "math":  # the standard library is imported first
            return self.first(existing[0]) - 1
        if existing:
            return self.last(existing[-1])
        start = [each for each in body[:2] if starts(each)]
        return self.last(start[-1]) if start else 0

    def _path(self, line: int) -> list[cst.CSTNode]:
        """Return the statements that contain a line, from the outermost to the innermost one."""
        path: list[cst.CSTNode] = [self.module]
        while True:
            inner = (each for each in _statements(path[-1]) if self.first(each) <= line <= self.last(each))
            found = next(inner, None)
            if found is None:
                return path
            path.append(found)

    def _after(
        self,
        statement: cst.CSTNode,
        attributes: Sequence[str],
        constructor: cst.FunctionDef,
        branches: Sequence[cst.CSTNode],
    ) -> int:
        """Return the line of the statement, or of the last one beside it if later ones may change the attributes."""
        beside, *outer = [self._later(each, statement) for each in (*branches[::-1], constructor)]
        changed = [[each for each in later if not harmless(each, attributes, _LOCAL)] for later in (beside, *outer)]
        if any(changed[1:]):
            line = self.first(next(each for later in changed[1:] for each in later))
            raise Refused(f"it is assigned in a branch, and line {line} may change it afterwards")
        if not changed[0]:
            return self.last(statement)
        refuse_return(constructor)
        return self.last(beside[-1])

    def _later(self, home: cst.CSTNode, statement: cst.CSTNode) -> list[cst.CSTNode]:
        """Return the statements of a block after one of them, or after the one that contains it."""
        return [each for each in _block(home) if self.first(each) > self.last(statement)]

    def _indent(self, line: int) -> str:
        text = self.lines[line - 1]
        return text[: len(text) - len(text.lstrip())]


def _statements(node: cst.CSTNode) -> list[cst.CSTNode]:
    """Return the statements and clauses directly in a node."""
    found = list[cst.CSTNode]()
    for child in node.children:
        if isinstance(child, (cst.BaseCompoundStatement, *_SIMPLE, *BRANCHES)):
            found.append(child)
        elif isinstance(child, cst.IndentedBlock):
            found += _statements(child)
    return found


def _block(node: cst.CSTNode) -> list[cst.CSTNode]:
    """Return the statements of a function or a branch, which are not on its own line."""
    block = next((each for each in descendants(node) if isinstance(each, cst.IndentedBlock)), None)
    if block is None:
        raise Refused("the constructor is written in one line")
    return _statements(block)

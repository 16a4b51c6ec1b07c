"""Statements of a file by their syntax: constructors of classes, and imports. Needs libcst."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from inithealth.report.source.place import Refused
from inithealth.report.source.syntax import descendants, variables

BRANCHES = (cst.If, cst.Else, cst.With, cst.Try, cst.ExceptHandler, cst.Finally)


def constructor_of(path: Sequence[cst.CSTNode]) -> tuple[cst.ClassDef, cst.FunctionDef, list[cst.CSTNode]]:
    """Return the class, its ``__init__`` and the branches in it that lead to a statement.

    Raises:
        Refused: the statement is not in an ``__init__``, or is in a loop.
    """
    for depth in range(len(path) - 1, 0, -1):
        function, owner = path[depth], path[depth - 1]
        if isinstance(function, cst.FunctionDef):
            if function.name.value != "__init__" or not isinstance(owner, cst.ClassDef):
                raise Refused(f"it is assigned in {function.name.value}, not in the __init__ of a class")
            if variables(function) & {"nn", "math"}:
                raise Refused(f"{owner.name.value}.__init__ has a variable named nn or math")
            return owner, function, list(path[depth + 1 :])
        if not isinstance(function, BRANCHES):
            raise Refused("it is assigned in a loop or a similar block")
    raise Refused("it is not assigned in the __init__ of a class")


def is_constructor(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.FunctionDef) and node.name.value == "__init__"


def refuse_return(constructor: cst.FunctionDef) -> None:
    if any(isinstance(each, cst.Return) for each in descendants(constructor, skip=(cst.FunctionDef,))):
        raise Refused("the constructor has a `return`")


def is_import(statement: cst.SimpleStatementLine) -> bool:
    first = statement.body[0]
    if isinstance(first, cst.ImportFrom):
        return not (isinstance(first.module, cst.Name) and first.module.value == "__future__")
    return isinstance(first, cst.Import)


def starts(statement: cst.CSTNode) -> bool:
    """Return whether a statement is a docstring or an import from ``__future__``, which come before other imports."""
    first = statement.body[0] if isinstance(statement, cst.SimpleStatementLine) else None
    if isinstance(first, cst.Expr):
        return isinstance(first.value, (cst.SimpleString, cst.ConcatenatedString))
    return isinstance(first, cst.ImportFrom)

"""Reads the syntax tree of libcst: which attributes and names a statement sets, and what it may change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import libcst as cst
from libcst.helpers import get_full_name_for_node


def descendants(node: cst.CSTNode, *, skip: tuple[type[cst.CSTNode], ...] = ()) -> Iterator[cst.CSTNode]:
    """Yield a node and all nodes in it, in order, without the content of other nodes of the given types."""
    left = [node]
    while left:
        each = left.pop()
        yield each
        if each is node or not isinstance(each, skip):
            left.extend(reversed(each.children))


def self_attribute(node: cst.CSTNode) -> str | None:
    """Return ``name`` for ``self.name``; None for other expressions."""
    is_self = isinstance(node, cst.Attribute) and isinstance(node.value, cst.Name) and node.value.value == "self"
    return node.attr.value if is_self and isinstance(node, cst.Attribute) else None


def assigned(statement: cst.CSTNode) -> tuple[str, ...]:
    """Return the attributes of ``self`` that a simple statement assigns; a constant such as None does not count."""
    if not isinstance(statement, cst.SimpleStatementLine):
        return ()
    found = [_targets(each) for each in statement.body if isinstance(each, (cst.Assign, cst.AnnAssign))]
    return tuple(name for targets in found for target in targets if (name := self_attribute(target)) is not None)


def _targets(statement: cst.Assign | cst.AnnAssign) -> list[cst.BaseExpression]:
    if isinstance(statement.value, (cst.SimpleString, cst.BaseNumber)) or statement.value is None:
        return []
    if isinstance(statement.value, cst.Name) and statement.value.value in ("None", "True", "False"):
        return []
    if isinstance(statement, cst.AnnAssign):
        return [statement.target]
    found = list[cst.BaseExpression]()
    for each in statement.targets:
        whole = each.target
        found += [one.value for one in whole.elements] if isinstance(whole, (cst.Tuple, cst.List)) else [whole]
    return found


def harmless(statement: cst.CSTNode, attributes: Sequence[str], names: Sequence[str]) -> bool:
    """Return whether a statement changes neither these attributes of ``self`` nor these variables.

    Only assignments of expressions that neither pass ``self`` on nor call its methods are known not to.
    """
    if not isinstance(statement, cst.SimpleStatementLine):
        return False
    if not all(isinstance(each, (cst.Assign, cst.AnnAssign, cst.Pass)) for each in statement.body):
        return False
    known = {id(each.value) for each in descendants(statement) if isinstance(each, cst.Attribute)}
    for node in descendants(statement):
        if self_attribute(node) in attributes:
            return False
        if isinstance(node, cst.Call) and self_attribute(node.func) is not None:
            return False
        if isinstance(node, cst.Name) and (node.value in names or (node.value == "self" and id(node) not in known)):
            return False
    return True


class Import(NamedTuple):
    """A name in a module, and what it is imported from: ``torch.nn``."""

    name: str
    of: str


def imports(module: cst.Module) -> Iterator[Import]:
    """Yield the names that a module imports outside of functions and classes, also in an if or a try."""
    for node in descendants(module, skip=(cst.FunctionDef, cst.ClassDef)):
        if isinstance(node, cst.Import):
            for alias in node.names:
                whole = get_full_name_for_node(alias.name) or ""
                asname = alias.evaluated_alias
                yield Import(asname, whole) if asname else Import(whole.partition(".")[0], whole.partition(".")[0])
        elif isinstance(node, cst.ImportFrom) and not isinstance(node.names, cst.ImportStar):
            home = "." * len(node.relative) + (get_full_name_for_node(node.module) or "" if node.module else "")
            for alias in node.names:
                yield Import(alias.evaluated_alias or alias.evaluated_name, f"{home}.{alias.evaluated_name}")


def variables(node: cst.FunctionDef | cst.Module) -> frozenset[str]:
    """Return the names of parameters and of the variables that code may assign."""
    found = set[str]()
    for each in descendants(node):
        if isinstance(each, (cst.Param, cst.FunctionDef, cst.ClassDef)):
            found.add(each.name.value)
        elif isinstance(each, (cst.AssignTarget, cst.AnnAssign, cst.NamedExpr, cst.For, cst.CompFor)):
            found |= _names(each.target)
    return frozenset(found)


def _names(target: cst.BaseExpression) -> set[str]:
    """Return the variables that an assignment to a target sets, which are not the parts of ``self.name``."""
    if isinstance(target, (cst.Attribute, cst.Subscript)):
        return set()
    inner = descendants(target, skip=(cst.Attribute, cst.Subscript))
    return {each.value for each in inner if isinstance(each, cst.Name)}

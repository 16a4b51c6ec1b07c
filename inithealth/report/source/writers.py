"""Code outside of the constructor that builds a layer, which changes the layer afterwards. Needs libcst."""

from __future__ import annotations

import builtins
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

import libcst as cst
from libcst.helpers import get_full_name_for_node

from inithealth.report.source.syntax import descendants, self_attribute

_ALL = ("modules", "named_modules", "children", "named_children", "parameters", "named_parameters", "state_dict")
_LATER = ("init", "reset", "setup", "build", "configure_model")
_NESTED = (cst.ClassDef, cst.FunctionDef)


class Writer(NamedTuple):
    """A function that initializes the layers of a model."""

    line: int
    owner: str  # name of its class; "" outside of a class
    function: str  # "" outside of a function
    attributes: frozenset[str] | None  # that it changes; None: any
    in_constructor: bool  # the constructor of its class calls it, or is it


def writers(module: cst.Module, line: Callable[[cst.CSTNode], int]) -> Iterator[Writer]:
    """Yield the functions of a file that initialize layers.

    Args:
        line: returns the line of a node.
    """
    yield from _of(module, module, "", "", line, called=False)
    known = _only_in_classes(module)
    for node in descendants(module):
        if isinstance(node, cst.ClassDef):
            methods = [each for each in node.body.body if isinstance(each, cst.FunctionDef)]
            constructor = next((each for each in methods if each.name.value == "__init__"), None)
            names = {self_attribute(each) or "" for each in descendants(constructor)} if constructor is not None else {}
            starts = any("init" in name for name in names)
            for each in methods:
                name = each.name.value
                called = name == "__init__" or name in names or (_is_initializer(each) and starts)
                yield from _of(each, each, node.name.value, name, line, called=called)
        elif isinstance(node, cst.FunctionDef) and not _is_method(node) and node.name.value not in known:
            yield from _of(node, node, "", node.name.value, line, called=False)


def _is_method(node: cst.FunctionDef) -> bool:
    parameters = node.params.params
    return bool(parameters) and parameters[0].name.value == "self"


def _only_in_classes(module: cst.Module) -> set[str]:
    """Return the functions that only classes use: their constructors are known to change what they pass to them."""
    everywhere = _uses(descendants(module))
    outside = _uses(descendants(module, skip=(cst.ClassDef,)))
    return {name for name, count in everywhere.items() if count > outside[name] == 1}  # 1: its definition


def _uses(nodes: Iterator[cst.CSTNode]) -> Counter[str]:
    return Counter(each.value for each in nodes if isinstance(each, cst.Name))


def _of(
    node: cst.CSTNode, home: cst.CSTNode, owner: str, function: str, line: Callable[[cst.CSTNode], int], *, called: bool
) -> Iterator[Writer]:
    """Yield the writers in the code of a function, without the functions in it."""
    # Other methods run in the training, such as those that make an optimizer.
    if function == "forward" or (owner and not called and not any(word in function for word in _LATER)):
        return
    if owner and _is_initializer(home):
        yield Writer(line(home), owner, function, None, called)
    for each in descendants(node, skip=_NESTED):
        if _applies(each) or _passes_self(each) or (isinstance(each, cst.For) and _loops_over_all(each)):
            yield Writer(line(each), owner, function, None, called)
        elif isinstance(each, cst.SimpleStatementLine):
            names = frozenset(_changed_by(each))
            if names:
                yield Writer(line(each), owner, function, names, called)


def _changed_by(statement: cst.SimpleStatementLine) -> Iterator[str]:
    """Yield the attributes whose tensors a statement may change: all that it names where it is not an assignment."""
    if _changes(statement):
        yield from _attributes(statement)
    for each in statement.body:
        if isinstance(each, cst.AugAssign):
            yield from _attributes(each.target)
        elif isinstance(each, cst.Assign):
            for target in (one.target for one in each.targets):
                yield from _attributes(target.value if isinstance(target, cst.Attribute) else target)
        elif isinstance(each, cst.Expr) and isinstance(each.value, cst.Call):
            function = each.value.func
            if not (isinstance(function, cst.Name) and hasattr(builtins, function.value)):
                for arg in each.value.args:
                    yield from _attributes(arg)


def _attributes(node: cst.CSTNode) -> Iterator[str]:
    return (each.attr.value for each in descendants(node) if isinstance(each, cst.Attribute))


def bases(module: cst.Module) -> dict[str, frozenset[str]]:
    """Return the names of the base classes of each class in a file, without their modules."""
    found = {}
    for each in descendants(module):
        if isinstance(each, cst.ClassDef):
            names = (get_full_name_for_node(base.value) or "" for base in each.bases)
            found[each.name.value] = frozenset(name.rpartition(".")[2] for name in names)
    return found


def _is_initializer(node: cst.CSTNode) -> bool:
    """Return whether a method is one such as ``_init_weights`` or ``reset_parameters``."""
    if not isinstance(node, cst.FunctionDef) or node.name.value == "__init__":
        return False
    return ("init" in node.name.value or "reset" in node.name.value) and _changes(node)


def _applies(node: cst.CSTNode) -> bool:
    """Return whether a node is ``model.apply(function)``, which is not the ``Function.apply`` of autograd."""
    if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute) or len(node.args) != 1:
        return False
    base = node.func.value
    is_class = isinstance(base, cst.Name) and base.value[:1].isupper()
    return node.func.attr.value == "apply" and not is_class


def _passes_self(node: cst.CSTNode) -> bool:
    """Return whether a node is a statement ``function(self)``."""
    if not isinstance(node, cst.Expr) or not isinstance(node.value, cst.Call):
        return False
    given = [arg.value.value for arg in node.value.args if isinstance(arg.value, cst.Name)]
    function = node.value.func
    return "self" in given and isinstance(function, cst.Name) and not hasattr(builtins, function.value)


def _loops_over_all(loop: cst.For) -> bool:
    calls = (each.func for each in descendants(loop.iter) if isinstance(each, cst.Call))
    over_all = any(isinstance(each, cst.Attribute) and each.attr.value in _ALL for each in calls)
    return over_all and (_changes(loop.body) or _passes_on(loop))


def _passes_on(loop: cst.For) -> bool:
    """Return whether a loop passes its variable to a function, which may change it."""
    ours = {each.value for each in descendants(loop.target) if isinstance(each, cst.Name)}
    for each in descendants(loop.body):
        if isinstance(each, cst.Call):
            given = {arg.value.value for arg in each.args if isinstance(arg.value, cst.Name)}
            name = each.func.value if isinstance(each.func, cst.Name) else self_attribute(each.func)
            if isinstance(name, str) and not hasattr(builtins, name) and given & ours:
                return True
    return False


def _changes(node: cst.CSTNode) -> bool:
    """Return whether code calls a function that changes a tensor in place, such as ``nn.init.zeros_``."""
    calls = (each.func for each in descendants(node) if isinstance(each, cst.Call))
    names = (each.attr.value for each in calls if isinstance(each, cst.Attribute))
    return any(name.endswith("_") and not name.endswith("__") for name in names)

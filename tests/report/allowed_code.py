"""The only code that the fixes of a report may be written as."""

from __future__ import annotations

import ast

_OF_TENSORS = (
    "clone copy_ detach exp expm1 flatten log mul_ norm requires_grad_ uniform_ view view_as"
).split()  # methods that the code of operations calls
_FUNCTIONS = ("getattr", "setattr", "range")
_OTHER = (ast.Import, ast.ImportFrom, ast.Lambda, ast.ClassDef, ast.Global, ast.comprehension)
_NAMES = {"model", "nn", "math", "i", "dt", *_FUNCTIONS}


def refuse_other_code(text: str) -> None:
    """Assert that code is one ``init_weights`` with its imports, and calls nothing but what operations need."""
    *imports, function = ast.parse(text).body
    assert [ast.unparse(each) for each in imports] in ([], ["from torch import nn"], ["import math"], _BOTH)
    assert isinstance(function, ast.FunctionDef)
    assert (function.name, ast.unparse(function.args), function.decorator_list) == ("init_weights", "model", [])
    for node in ast.walk(function):
        assert not isinstance(
            node, (ast.Import, ast.ImportFrom, ast.Lambda, ast.ClassDef, ast.Global, ast.comprehension)
        )
        if isinstance(node, ast.Name):
            assert node.id in _NAMES, ast.unparse(node)
        if isinstance(node, ast.Call):
            assert _allowed(node.func), ast.unparse(node)


_BOTH = ["import math", "from torch import nn"]


def _allowed(function: ast.expr) -> bool:
    if isinstance(function, ast.Name):
        return function.id in _FUNCTIONS
    if not isinstance(function, ast.Attribute):
        return False
    called = ast.unparse(function)
    return called == "math.sqrt" or called.startswith("nn.init.") or function.attr in _OF_TENSORS

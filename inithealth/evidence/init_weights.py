"""Statements as a function to paste: ``init_weights(model)``, with the imports that they need."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterable

_IMPORTS = {"math": "import math", "nn": "from torch import nn"}


def init_weights(docstring: str, lines: Iterable[str]) -> str:
    """Return the code of the function. Raises SyntaxError if a line is not code or a comment."""
    body = "\n".join([f'"""{docstring}"""', *lines])
    names = {node.id for node in ast.walk(ast.parse(body)) if isinstance(node, ast.Name)}
    imports = "\n\n".join(text for name, text in _IMPORTS.items() if name in names)
    function = f"def init_weights(model):\n{textwrap.indent(body, ' ' * 4)}"
    return f"{imports}\n\n\n{function}" if imports else function

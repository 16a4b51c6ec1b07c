"""``--arg depth=12``: the arguments of the class or function that makes a model."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from inithealth.cli.errors import BadInput
from inithealth.suggest import unknown

_WORDS = {"true": True, "false": False, "null": None, "none": None}


def parsed(texts: Sequence[str]) -> dict[str, Any]:
    """Return the values by name: Python literals, true, false and null; other text is a string. Raises BadInput."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise BadInput(f"--arg {text!r}: write name=value, as in --arg depth=12")
        found[name] = _value(value)
    return found


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):  # the last two: nested too deeply
        return _WORDS.get(text.lower(), text)


def refuse_misfits(name: str, function: Callable[..., Any], given: Mapping[str, Any]) -> None:
    """Raise BadInput for an argument that the function does not accept, or a required one that is missing."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # a function that is not written in Python has no signature
        return
    takes = {p.name: p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        for word in given:
            if word not in takes:
                raise BadInput(f"{name}: {unknown('argument', word, takes)}")
    missing = [p.name for p in takes.values() if p.default is p.empty and p.name not in given]
    missing += [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY and p.default is p.empty]
    if missing:
        typed = " ".join(f"--arg {each}=VALUE" for each in missing)
        raise BadInput(f"{name} needs {', '.join(missing)}: add {typed}, or give a function without arguments")

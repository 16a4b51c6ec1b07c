"""Reads TOML of any origin: what would take minutes or end in a RecursionError is rejected first."""

from __future__ import annotations

import re
import sys
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found,unused-ignore]

_DEEPEST = 32  # levels of tables and arrays, and parts of a dotted key: settings have five
# Strings and comments are skipped as a whole, so that brackets and dots in them do not count.
_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|#[^\n]*|(?P<mark>[\[\]{}=,.\n])',
    re.DOTALL,
)


def parsed(text: str) -> dict[str, Any]:
    """Return the content. Raises ValueError with one line if it is not valid TOML, or is nested too deeply."""
    _refuse_nesting(text)
    try:
        content: dict[str, Any] = tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError, or a number with too many digits
        raise ValueError(f"is not valid TOML: {error}") from None
    return content


def _refuse_nesting(text: str) -> None:
    depth = parts = 0
    for token in _TOKEN.finditer(text):
        mark = token["mark"]
        if mark is None:
            continue
        depth = max(0, depth + (mark in "[{") - (mark in "]}"))
        parts = parts + 1 if mark == "." else 0
        if max(depth, parts) >= _DEEPEST:
            raise ValueError(f"is nested more than {_DEEPEST} levels deep")

"""Makes text inert in which a CI runner would find a command.

GitHub looks for ``::command::`` at the start of a line, after spaces. GitHub, Azure and TeamCity look for
``##[command]``, ``##vso[command`` and ``##teamcity[command`` anywhere in it.
"""

from __future__ import annotations

import re

# Escape sequences of our own colors may precede the start.
_AT_START = re.compile(r"^((?:\x1b\[[\d;]*m|[^\S\n])*):(?=:)", re.MULTILINE)
_ANYWHERE = re.compile(r"##(?=\w*\[)")


def inert(text: str, colon: str = r"\x3a", number: str = r"\x23") -> str:
    """Return a text in which no line is a command.

    Args:
        text: lines without control characters other than those of colors.
        colon: how the format writes a colon that is not read as one.
        number: how it writes such a number sign.
    """
    return without_brackets(_AT_START.sub(lambda match: match[1] + colon, text), number)


def without_brackets(text: str, number: str = r"\x23") -> str:
    """Return a text without ``##[``, for lines that start with a command of ours."""
    return _ANYWHERE.sub(lambda match: f"#{number}", text)

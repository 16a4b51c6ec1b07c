"""Error messages for a misspelled name, with the nearest valid one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def unknown(what: str, word: str, known: Iterable[str]) -> str:
    """Return the message for an unknown name: the nearest known name, or all of them if none is near."""
    names = list(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(sorted(names))}"
    return f"unknown {what} {word!r}{hint}"

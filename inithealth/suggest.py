"""Error messages for a misspelled name, with the nearest valid one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def unknown(what: str, word: str, known: Iterable[str]) -> str:
    """Return the message for an unknown name: it suggests the nearest known name, or lists all if none is near."""
    names = list(known)
    near = nearest(word, names)
    hint = f"; did you mean {near!r}?" if near else f"; known: {', '.join(sorted(names)) or 'none'}"
    return f"unknown {what} {word!r}{hint}"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like the word; None if none is near."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return near[0] if near else None

"""The differences between two reports as a table or JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from inithealth.commands import inert
from inithealth.evidence.wording import count
from inithealth.json_text import json_of_values
from inithealth.report.compare.changes import Change
from inithealth.report.plain import plain

_WIDTH = 100


def changes_table(changes: Sequence[Change]) -> str:
    """Return plain text: worse findings first; layers with the same change share a line."""
    if not changes:
        return "nothing changed"
    groups: dict[tuple[str, str, str, bool], list[str]] = {}
    for change in sorted(changes, key=lambda each: not each.worse):
        groups.setdefault((change.what, change.old, change.new, change.worse), []).append(change.layer)
    lines = [line for key, layers in groups.items() for line in _lines(*key, layers)]
    worse = sum(change.worse for change in changes)
    return inert("\n".join([*lines, "", f"{worse} worse, {count(len(changes) - worse, 'other change')}"]))


def _lines(what: str, old: str, new: str, worse: bool, layers: Sequence[str]) -> list[str]:
    where = layers[0] if len(layers) == 1 else f"{layers[0]} ... {layers[-1]} ({len(layers)} layers)"
    text = f"{'WORSE ' if worse else ''}{what} {where}: {old} -> {new}"
    return textwrap.wrap(plain(text), _WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)


def changes_json(changes: Sequence[Change]) -> str:
    """Return a JSON list with one object per change."""
    return json_of_values([change.model_dump() for change in changes])

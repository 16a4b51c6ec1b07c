"""Differences as text and JSON."""

from __future__ import annotations

import json

from inithealth.report.compare.changes import Change
from inithealth.report.compare.changes_text import changes_json, changes_table


def test_layers_with_the_same_change_share_a_line() -> None:
    alike = [Change(what="std", layer=f"l{number}", old="0.02", new="0.2") for number in range(12)]
    worse = Change(what="verdict", layer="IH106 l0", old="not found", new="error: \x1b[31mtoo large", worse=True)
    text = changes_table([*alike, worse])
    assert text.splitlines() == [
        "WORSE verdict IH106 l0: not found -> error: \\x1b[31mtoo large",
        "std l0 ... l11 (12 layers): 0.02 -> 0.2",
        "",
        "1 worse, 12 other changes",
    ]


def test_nothing_changed() -> None:
    assert changes_table([]) == "nothing changed"
    assert json.loads(changes_json([])) == []


def test_each_change_is_an_object() -> None:
    one = Change(what="std", layer="l0", old="0.02", new="0.2", worse=True)
    assert json.loads(changes_json([one])) == [one.model_dump()]


def test_a_long_line_is_wrapped_between_words() -> None:
    shown = changes_table(
        [Change(what="verdict", layer="IH106 l0", old="not found", new="error: " + "too large " * 20)]
    )
    lines = shown.splitlines()[:-2]
    assert len(lines) > 1
    assert max(map(len, lines)) <= 100
    assert all(line.startswith("    ") for line in lines[1:])
    assert shown.endswith("0 worse, 1 other change")

"""The results as a table, and the shares."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import mean
from typing import Any

Entry = dict[str, Any]
ALLOWED = 0.05  # excess of the final loss, as a share of what the library's initialization learns


def worse(entry: Entry) -> bool:
    """Return whether training ends worse than with the library's initialization.

    That is: the mean final loss exceeds the library's by more than 5 % of what it learns (first minus final loss), and
    exceeds the loss of its worst seed.
    """
    library, ours = mean(entry["library"]), mean(entry["ours"])
    learned = max(entry["first"] - library, 0.0)
    return not ours <= max(library + ALLOWED * learned, *entry["library"])


def table(found: Mapping[str, Entry]) -> str:
    lines = [f"{'network':44} {'before':>8} {'after':>8} {'library':>9} {'ours':>9}"]
    lines += [_line(name, entry) for name, entry in found.items()]
    judged = [each for each in found.values() if "after" in each]
    trained = [each for each in judged if "ours" in each]
    clean = sum(not each["after"] for each in judged)
    good = sum(not worse(each) for each in trained)
    lines += [
        "",
        f"no warning and no error: {clean} of {len(judged)} (before: {sum(not each['before'] for each in judged)})",
        f"trains as well: {good} of {len(trained)} trained, with {sum(map(_better, trained))} better than each seed of "
        "the library's",
        f"too slow to train here: {sum('too_slow' in each for each in judged)}, failed: {len(found) - len(judged)}",
    ]
    return "\n".join(lines)


def _better(entry: Entry) -> bool:
    return mean(entry["ours"]) < min(entry["library"])


def _line(name: str, entry: Entry) -> str:
    if "after" not in entry:
        return f"{name:44} {entry.get('broken', 'not measured yet')}"
    verdicts = f"{_word(entry['before']):>8} {_word(entry['after']):>8}"
    if "ours" not in entry:
        return f"{name:44} {verdicts}" + "".join(f"\n    {each}" for each in entry["after"])
    losses = f"{mean(entry['library']):>9.4g} {mean(entry['ours']):>9.4g}{'  worse' if worse(entry) else ''}"
    return f"{name:44} {verdicts} {losses}" + "".join(f"\n    {each}" for each in entry["after"])


def _word(causes: list[str]) -> str:
    return next((word for word in ("error", "warning") if any(each.startswith(word) for each in causes)), "healthy")

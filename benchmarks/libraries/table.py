"""Tables of the results, for the terminal and for docs/libraries.md."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

from ..judging.kept import Kept
from .trial import NOT_WATCHED

Entry = dict[str, Any]


def runs(kept: Kept) -> Iterator[tuple[str, Entry]]:
    """Yield the runs by name, without the judgements."""
    for name in kept:
        entry = kept.get(name)
        if entry is not None and not name.startswith("judged "):
            yield name, entry


def lines(kept: Kept) -> Iterator[str]:
    """Yield a line of text for each run."""
    for name, entry in runs(kept):
        if "error" in entry:
            yield f"{name:<46}{' '.join(entry['error'].split())[:140]}"
        else:
            cells = [_same(entry), f"x{entry['ratio']:.2f}", *_sizes(entry), str(len(entry["not_measured"]))]
            yield f"{name:<46}" + "".join(f"{cell:<12}" for cell in cells) + (_alarms(entry) or "none")


def table(kept: Kept) -> str:
    """Return the Markdown table of the runs."""
    head = "| run | identical | alarms | not measured | events | checkpoint | CPU time |"
    rows = [head, "|" + "---|" * 7]
    for name, entry in runs(kept):
        if "error" not in entry:
            shown = f"{name} ({entry['kind']})" if entry["kind"] else name
            cells = [_same(entry), _alarms(entry), str(len(entry["not_measured"])), *_sizes(entry)]
            rows.append(f"| {shown} | {' | '.join(cells)} | {entry['ratio']:.2f}x |")
    return "\n".join(rows)


def alarm_table(kept: Kept) -> str:
    """Return the Markdown table of the alarms, with the losses of the longer trainings."""
    rows = ["| run | alarm | at step | loss, as it is | loss, with the fix |", "|" + "---|" * 5]
    for name, entry in runs(kept):
        trained = kept.get(f"judged {name}") or {}
        as_it_is, fixed = (_losses(trained.get(key, [])) for key in ("as_it_is", "fixed"))
        for alarm in entry.get("alarms", []):
            layer = f" `{alarm['layers'][0]}`" if alarm["layers"] else ""
            shown = f"{alarm['severity']} {alarm['code']}{layer}"
            rows.append(f"| {name} | {shown} | {alarm['step']} | {as_it_is} | {fixed} |")
    return "\n".join(rows)


def summary(kept: Kept) -> str:
    """Return the figures across all runs that could be trained."""
    entries = [entry for _, entry in runs(kept) if "error" not in entry]
    if not entries:
        return "no runs"
    repeating = [entry for entry in entries if entry["repeats"]]
    identical = sum(entry["identical"] for entry in repeating)
    unseen = sum(entry["verdict"] == NOT_WATCHED for entry in entries)
    by = {level: sum(_has(entry, level) for entry in entries) for level in ("error", "warning")}
    ratios = [entry["ratio"] for entry in entries]
    return (
        f"{len(entries)} runs: {identical} of {len(repeating)} that repeat are identical, {unseen} not watched,"
        f" {by['error']} with errors, {by['warning']} with warnings,"
        f" CPU time x{statistics.median(ratios):.2f} (median), x{max(ratios):.2f} (largest)"
    )


def _has(entry: Entry, severity: str) -> bool:
    return any(alarm["severity"] == severity for alarm in entry["alarms"])


def _same(entry: Entry) -> str:
    if not entry["repeats"]:
        return "no twin"  # two plain trainings differ already
    return "yes" if entry["identical"] else "no"


def _sizes(entry: Entry) -> list[str]:
    checkpoint = entry["checkpoint_bytes"]
    return [f"{entry['event_bytes'] / 1000:.0f} kB", f"{checkpoint / 1000:.1f} kB" if checkpoint else "-"]


def _alarms(entry: Entry) -> str:
    if entry["verdict"] == NOT_WATCHED:
        return NOT_WATCHED
    return ", ".join(" ".join([each["severity"], each["code"], *each["layers"][:1]]) for each in entry["alarms"])


def _losses(values: list[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values) or "-"

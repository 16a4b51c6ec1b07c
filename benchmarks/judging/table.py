"""The table: each measure on both halves, for each tool, and the worst cases by name."""

from __future__ import annotations

from collections.abc import Sequence

from .intervals import wilson
from .scored import MEASURES, Judged, Measure, count

HELD_OUT = "held out"
HALVES = (HELD_OUT, "fitted")
OURS = "inithealth"


def table(judged: dict[str, list[Judged]]) -> str:
    """Markdown. One column a tool and half; shares with their 95 % interval."""
    columns = [(tool, half) for tool in judged for half in (HALVES if tool == OURS else HALVES[:1])]
    lines = [
        "| | asked | " + " | ".join(f"{tool}, {half}" for tool, half in columns) + " |",
        "|" + "---|" * (len(columns) + 2),
    ]
    for measure in MEASURES:
        cells = [_cell(measure, tool, half, judged[tool]) for tool, half in columns]
        lines.append(f"| {measure.title} | {measure.wanted} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(measure: Measure, tool: str, half: str, judged: Sequence[Judged]) -> str:
    if tool != OURS and not measure.of_peers:
        return ""
    asked, wrong = count(measure, [each for each in judged if each.entry.half == half])
    if not asked:
        return "-"
    met = len(wrong) if measure.most else len(asked) - len(wrong)
    low, high = wilson(met, len(asked))
    return f"{met} / {len(asked)} = {met / len(asked):.1%} ({100 * low:.1f}-{100 * high:.1f})"


def worst(judged: Sequence[Judged], half: str | None = None) -> str:
    """All that is wrong by the measures that something is asked of, by name, with what was said."""
    lines: list[str] = []
    for measure in MEASURES:
        if not measure.wanted:
            continue
        _, wrong = count(measure, [each for each in judged if half is None or each.entry.half == half])
        lines += ["", f"{measure.title}: {len(wrong)} wrong"]
        lines += [line for each in wrong for line in _case(each)]
    return "\n".join(lines)


def _case(judged: Judged) -> list[str]:
    entry, verdict = judged.entry, judged.verdict
    seed = f", seed {entry.seed}" if entry.seed else ""
    said = [f"      {c.severity} {c.code} {c.message}"[:220] for c in verdict.causes] or ["      nothing"]
    return [
        f"  {entry.name}{seed} [{judged.truth}, {entry.half}]",
        *([f"      broken: {verdict.broken}"] if verdict.broken else said),
    ]

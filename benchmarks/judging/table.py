"""The table of each measure on both halves for each tool, and the list of wrong verdicts."""

from __future__ import annotations

from collections.abc import Sequence

from .halves import UNFITTED, USUAL, Half
from .intervals import wilson
from .scored import MEASURES, Judged, Measure, count

OURS = "inithealth"


def table(judged: dict[str, list[Judged]], halves: Sequence[Half] = USUAL) -> str:
    """Return a Markdown table with one column per tool and half; shares have their 95 % interval.

    The peers have no columns for the fitted half.
    """
    columns = [(tool, half) for tool in judged for half in halves if tool == OURS or half in UNFITTED]
    lines = [
        "| | target | " + " | ".join(f"{tool}, {half}" for tool, half in columns) + " |",
        "|" + "---|" * (len(columns) + 2),
    ]
    for measure in MEASURES:
        cells = [_cell(measure, tool, half, judged[tool]) for tool, half in columns]
        lines.append(f"| {measure.title} | {measure.target} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(measure: Measure, tool: str, half: Half, judged: Sequence[Judged]) -> str:
    if tool != OURS and not measure.of_peers:
        return ""
    selected, wrong = count(measure, [each for each in judged if each.entry.half == half])
    if not selected:
        return "-"
    met = len(wrong) if measure.most else len(selected) - len(wrong)
    low, high = wilson(met, len(selected))
    return f"{met} / {len(selected)} = {met / len(selected):.1%} ({100 * low:.1f}-{100 * high:.1f})"


def worst(judged: Sequence[Judged]) -> str:
    """Return all networks that miss a measure with a target, by name, with the reported causes."""
    lines: list[str] = []
    for measure in MEASURES:
        if not measure.target:
            continue
        _, wrong = count(measure, judged)
        lines += ["", f"{measure.title}: {len(wrong)} wrong"]
        lines += [line for each in wrong for line in _case(each)]
    return "\n".join(lines)


def _case(judged: Judged) -> list[str]:
    entry, verdict = judged.entry, judged.verdict
    seed = f", seed {entry.seed}" if entry.seed else ""
    causes = [f"      {c.severity} {c.code} {c.message}"[:220] for c in verdict.causes] or ["      nothing"]
    return [
        f"  {entry.name}{seed} [{judged.truth}, {entry.half}]",
        *([f"      broken: {verdict.broken}"] if verdict.broken else causes),
    ]

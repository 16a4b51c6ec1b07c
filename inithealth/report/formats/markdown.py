"""The report as Markdown, for GitHub's step summary and for comments."""

from __future__ import annotations

import re
from collections.abc import Sequence

from inithealth.commands import inert
from inithealth.evidence.wording import count
from inithealth.findings import Finding, Report
from inithealth.report.finding_text import details, headline, title
from inithealth.report.source.cause_edits import cause_edits
from inithealth.report.source.line import source_line
from inithealth.report.summary import remarks, verdict

_MOST_BYTES = 2**20 - 2**10  # GitHub shows at most 1 MiB of a step summary
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~$@-])")
_IN_CODE = "\n\t"  # of the characters that cannot be printed
_CUT = "(truncated: the JSON report is complete)"


def render(report: Report) -> str:
    """Return a heading with the verdict, and a table of the causes, each with its fix and its consequences."""
    parts = [f"## {_escaped(verdict(report))}"]
    if report.causes:
        parts.append(_table(report.causes))
    for cause, edits in zip(report.causes, cause_edits(report), strict=True):
        parts.append(_cause(cause, report.consequences(cause), edits.diff))
    notes = remarks(report)
    if notes:
        parts.append(_folded("Notes", [f"- {_escaped(note)}" for note in notes]))
    return inert(_within(parts, "\n\n", _MOST_BYTES))


def _table(causes: Sequence[Finding]) -> str:
    rows = ["| | rule | layers | what | where |", "|---|---|---|---|---|"]
    for cause in causes:
        source = source_line(cause)
        where = f"{source.path}:{source.line}" if source is not None else ""
        letter = cause.severity.value[0].upper() if cause.suppressed is None else "-"
        layers = ", ".join(cause.layers[:3]) + (f" and {len(cause.layers) - 3} more" if len(cause.layers) > 3 else "")
        rows.append("| " + " | ".join(map(_escaped, (letter, cause.code, layers, cause.message, where))) + " |")
    return _within(rows, "\n", _MOST_BYTES // 2)  # the other half is for the fixes


def _cause(cause: Finding, consequences: Sequence[Finding], diff: str) -> str:
    known = details(cause)
    lines = [f"### {_escaped(title(cause))}"]
    lines += [f"{label.capitalize()}: {_escaped(known[label])}" for label in ("suppressed", "why") if label in known]
    if diff:
        lines.append(_code(diff.removesuffix("\n"), "diff"))
    elif "fix" in known:
        lines.append(_code(known["fix"], "python"))
    lines += [f"Test: {_escaped(known['test'])}"] if "test" in known else []
    if consequences:
        listed = [f"- {_escaped(headline(each))}" for each in consequences]
        lines.append(_folded(count(len(consequences), "consequence"), listed))
    return "\n\n".join(lines)


def _folded(title: str, lines: Sequence[str]) -> str:
    return "\n".join([f"<details><summary>{title}</summary>", "", *lines, "", "</details>"])


def _code(text: str, language: str) -> str:
    """Return a code block that backticks in the text cannot end."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{_printable(text, keep=_IN_CODE)}\n{fence}"


def _escaped(text: str) -> str:
    """Return the text with markup escaped, because names come from a user's program."""
    entities = _printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\1", entities)


def _printable(text: str, keep: str = "") -> str:
    """Return the text on one line, without control characters."""
    return "".join(letter if letter in keep or letter.isprintable() else " " for letter in text)


def _within(parts: Sequence[str], separator: str, most: int) -> str:
    """Return as many whole parts as fit: a truncated code block would include all text after it."""
    left = most - len(_CUT)
    for place, part in enumerate(parts):
        left -= len(part.encode()) + len(separator)
        if left < 0:
            return separator.join([*parts[:place], _CUT])
    return separator.join(parts)

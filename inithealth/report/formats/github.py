"""GitHub's workflow commands: an annotation for each cause, at the line that creates the layer."""

from __future__ import annotations

from collections.abc import Sequence

from inithealth.commands import without_brackets
from inithealth.findings import Finding, Report, Severity
from inithealth.report.finding_text import labeled, title
from inithealth.report.source.line import repository_line

_MOST = 10  # annotations of each level that GitHub shows for a step
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
_DATA = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_PROPERTY = {**_DATA, ":": "%3A", ",": "%2C"}


def render(report: Report) -> str:
    """Return ``::error file=net.py,line=12,title=IH201 ...::message``, at most ten per level."""
    levels: dict[str, list[Finding]] = {}
    for cause in report.causes:
        level = "notice" if cause.suppressed is not None else _LEVELS[cause.severity]
        levels.setdefault(level, []).append(cause)
    return "\n".join(line for level, causes in levels.items() for line in _lines(level, causes))


def _lines(level: str, causes: Sequence[Finding]) -> list[str]:
    shown = causes if len(causes) <= _MOST else causes[: _MOST - 1]
    rest = causes[len(shown) :]
    lines = [_command(level, cause) for cause in shown]
    if rest:
        listed = "; ".join(f"{cause.key}: {cause.message}" for cause in rest)
        lines.append(f"::{level} title=inithealth::{_escaped(f'and {len(rest)} more: {listed}', _DATA)}")
    return lines


def _command(level: str, cause: Finding) -> str:
    source = repository_line(cause)
    properties = {"title": title(cause)}
    if source is not None:
        properties = {"file": source.path, "line": str(source.line), **properties}
    written = ",".join(f"{name}={_escaped(value, _PROPERTY)}" for name, value in properties.items())
    return f"::{level} {written}::{_escaped(_message(cause), _DATA)}"


def _message(cause: Finding) -> str:
    parts = [*labeled(cause, "suppressed"), cause.message, *labeled(cause, "why", "fix", "test")]
    return "\n".join(filter(None, parts))


def _escaped(text: str, escapes: dict[str, str]) -> str:
    return without_brackets("".join(escapes.get(letter, letter if letter.isprintable() else "?") for letter in text))

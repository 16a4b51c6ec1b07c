"""The report as people read it in a terminal: verdict, causes, the layers that matter."""

from __future__ import annotations

import textwrap

from inithealth.findings import Finding, Report
from inithealth.report.layer_table import layer_table
from inithealth.report.plain import plain

_WIDTH = 100
_INDENT = " " * 8
_MOST_STATEMENTS = 8  # of a fix; the JSON and the finding have all of it


def table(report: Report) -> str:
    """Plain text, ASCII, at most 100 columns but for code that cannot be broken."""
    lines = [verdict(report), ""]
    for cause in report.causes:
        lines += [*_cause(cause, report.consequences(cause)), ""]
    lines += layer_table(report)
    for remark in remarks(report):
        lines += _wrapped(remark, "", "    ")
    return "\n".join(lines).rstrip()


def verdict(report: Report) -> str:
    """One line: ``FAIL - 1 error`` or ``ok - nothing found``, the model, the step."""
    counts = {
        s: sum(c.severity.value == s and c.suppressed is None for c in report.causes)
        for s in ("error", "warning", "info")
    }
    counts["suppressed"] = sum(cause.suppressed is not None for cause in report.causes)
    told = ", ".join(f"{n} {s}{'s' if n > 1 and s in ('error', 'warning') else ''}" for s, n in counts.items() if n)
    word = "ok" if report.ok else "FAIL"
    return f"inithealth: {word} - {told or 'nothing found'} ({plain(report.model)}, step {report.step})"


def _cause(cause: Finding, consequences: tuple[Finding, ...]) -> list[str]:
    lines = [plain(f"{cause.severity.value.upper():7} {cause.code} {cause.rule}")]
    lines += _wrapped(cause.message, _INDENT, _INDENT)
    if cause.suppressed is not None:
        lines += _wrapped(f"suppressed: {cause.suppressed}", _INDENT, _INDENT)
    if cause.cause:
        lines += _wrapped(cause.cause, f"{_INDENT}why: ", f"{_INDENT}     ")
    lines += _fix(cause.fix)
    if cause.source:
        lines.append(f"{_INDENT}at:  {plain(cause.source)}")
    for finding in consequences:
        told = f"{finding.code} {finding.rule}: {finding.message}"
        lines += _wrapped(told, f"{_INDENT}-> ", f"{_INDENT}   ")
    return lines


def _fix(fix: str) -> list[str]:
    """Code stays code: a loop too long for the line is broken behind its colon, nothing else is."""
    lines: list[str] = []
    statements = fix.splitlines()
    more = len(statements) - _MOST_STATEMENTS
    if more > 0:
        statements = [
            *statements[:_MOST_STATEMENTS],
            f"# and {more} more {'line' if more == 1 else 'lines'}: finding.fix",
        ]
    for statement in statements:
        head, colon, body = statement.partition(": ")
        code = statement.startswith(("for ", "nn.init.", "model", "getattr("))
        if len(_INDENT) + 5 + len(statement) <= _WIDTH or (code and not head.startswith("for ")):
            lines.append(plain(statement))
        elif code:
            lines += [plain(head + colon.strip()), plain(f"    {body}")]
        else:
            lines += textwrap.wrap(plain(statement), _WIDTH - len(_INDENT) - 5, break_on_hyphens=False)
    return [f"{_INDENT}{'fix:' if place == 0 else '    '} {line}" for place, line in enumerate(lines)]


def _wrapped(text: str, first: str, later: str) -> list[str]:
    # A layer's name must stay whole, to be searched for.
    return textwrap.wrap(
        plain(text),
        _WIDTH,
        initial_indent=first,
        subsequent_indent=later,
        break_long_words=False,
        break_on_hyphens=False,
    )


def remarks(report: Report) -> list[str]:
    """What else is to be said: how it was judged, what could not be measured, which rules were not judged."""
    lines = list(report.notes)
    lines += [f"not measured: {what}" for what in report.not_measured]
    told = [s for s in report.skipped if s.reason != "not selected"]
    lines += [f"not judged: {s.code} {s.rule}: {s.reason}" for s in told]
    left = sum(s.reason == "not selected" for s in report.skipped)
    return lines + ([f"not selected: {left} {'rule' if left == 1 else 'rules'}"] if left else [])

"""The report as people read it in a terminal: verdict, causes, the layers that matter."""

from __future__ import annotations

import textwrap

from inithealth.findings import Finding, Report
from inithealth.report.finding_text import details, headline, title
from inithealth.report.layer_table import layer_table
from inithealth.report.plain import plain
from inithealth.report.summary import remarks, verdict

_WIDTH = 100
_INDENT = " " * 8
_MOST_STATEMENTS = 8  # of a fix; the JSON and the finding have all of it


def render(report: Report) -> str:
    """Plain text, ASCII, at most 100 columns but for code that cannot be broken."""
    lines = [verdict(report), ""]
    for cause in report.causes:
        lines += [*_cause(cause, report.consequences(cause)), ""]
    lines += layer_table(report)
    for remark in remarks(report):
        lines += _wrapped(remark, "", "    ")
    return "\n".join(lines).rstrip()


def _cause(cause: Finding, consequences: tuple[Finding, ...]) -> list[str]:
    lines = [plain(f"{cause.severity.value.upper():7} {title(cause)}")]
    lines += _wrapped(cause.message, _INDENT, _INDENT)
    for label, text in details(cause).items():
        lines += _detail(label, text)
    for finding in consequences:
        lines += _wrapped(headline(finding), f"{_INDENT}-> ", f"{_INDENT}   ")
    return lines


def _detail(label: str, text: str) -> list[str]:
    if label == "fix":
        return _fix(text)
    if label == "at":
        return [f"{_INDENT}at:  {plain(text)}"]
    if label == "why":
        return _wrapped(text, f"{_INDENT}why: ", f"{_INDENT}     ")
    return _wrapped(f"{label}: {text}", _INDENT, _INDENT)


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

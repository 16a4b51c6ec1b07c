"""The fixes of a report as a Python function to paste: statements of operations; every other text is a comment."""

from __future__ import annotations

import textwrap

from inithealth.commands import without_brackets
from inithealth.evidence.fix_text import code_lines
from inithealth.evidence.init_weights import init_weights
from inithealth.findings import Report
from inithealth.report.finding_text import located
from inithealth.report.plain import plain
from inithealth.report.planned_fixes import PlannedFix, planned_fixes

_WIDEST = 110
_DOCSTRING = "Fix what inithealth found: call this on a new model, before its optimizer is created."


def init_function(report: Report) -> str:
    """Return the code of ``init_weights(model)``, with the imports that it needs."""
    lines = [line for plan in planned_fixes(report) for line in _lines(plan)]
    # In the text of a name, the escaped character is the same one.
    return without_brackets(init_weights(_DOCSTRING, lines))


def _lines(plan: PlannedFix) -> list[str]:
    """Return the lines of one cause: what it is, its statements, and why some of its fix is not among them."""
    more = f" and {len(plan.cause.layers) - 1} more" if len(plan.cause.layers) > 1 else ""
    code, reason = code_lines(plan.operations), plan.reason
    if code and not _is_code(code):
        code, reason = [], ": the names of its parameters cannot be written as code"
    state = plan.cause.verification if plan.cause.verified else "its fix was not tried"
    comment = _comment(f"{located(plan.cause)}{more}{f': {state}' if code else ''}")
    return [*comment, *code, *(_comment(f"Not applied{reason}") if reason else ())]


def _is_code(lines: list[str]) -> bool:
    try:
        compile("\n".join(lines), "<fix>", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # nested too deeply
        return False
    return True


def _comment(text: str) -> list[str]:
    """Return a text of any origin as comment lines in printable ASCII."""
    found = [part for line in text.split("\n") for part in textwrap.wrap(plain(line), _WIDEST, break_on_hyphens=False)]
    return [f"# {line}" for line in found]

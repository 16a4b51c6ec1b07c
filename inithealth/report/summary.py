"""A report in one line, and the remarks at its end: shared by the formats for people."""

from __future__ import annotations

from inithealth.evidence.wording import count
from inithealth.findings import Report, Skipped
from inithealth.report.finding_text import located, title
from inithealth.report.plain import plain


def verdict(report: Report) -> str:
    """One line: ``inithealth: unhealthy at step 0: 1 error (GPT, 50 layers)``."""
    active = [cause.severity.value for cause in report.causes if cause.suppressed is None]
    counts = {severity: active.count(severity) for severity in ("error", "warning", "info")}
    counts["suppressed"] = len(report.causes) - len(active)
    found = [count(n, kind) if kind in ("error", "warning") else f"{n} {kind}" for kind, n in counts.items() if n]
    word = "healthy" if report.ok else "unhealthy"
    amount = f", {', '.join(found)}" if found else ""
    layers = f", {count(len(report.layers), 'layer')}" if report.layers else ""
    return f"inithealth: {word} at step {report.step}{amount} ({plain(report.model)}{layers})"


def summary(report: Report) -> str:
    """Return the verdict and the first cause: ``...: IH106 weight-scale in blocks.3.fc``."""
    first = next((cause for cause in report.causes if cause.suppressed is None), None)
    return verdict(report) if first is None else f"{verdict(report)}: {plain(located(first))}"


def not_judged(report: Report) -> list[Skipped]:
    """The rules that were selected and could not be judged."""
    return [skipped for skipped in report.skipped if skipped.reason != "not selected"]


def remarks(report: Report) -> list[str]:
    """How the model was judged, what could not be measured, which rules were not judged."""
    skipped = not_judged(report)
    lines = list(report.notes)
    lines += [f"not measured: {what}" for what in report.not_measured]
    lines += [f"not judged: {title(each)}: {each.reason}" for each in skipped]
    not_selected = len(report.skipped) - len(skipped)
    return lines + ([f"not selected: {count(not_selected, 'rule')}"] if not_selected else [])

"""One-line summaries and colors of a report, and its final remarks, for the text formats."""

from __future__ import annotations

from collections import Counter

from inithealth.evidence.wording import count
from inithealth.findings import Report, Severity, Skipped
from inithealth.report.finding_text import located, title
from inithealth.report.plain import plain

STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.INFO: "bold cyan"}  # rich's

_MOST_ALIKE = 3  # lines with the same reason


def verdict(report: Report) -> str:
    """Return one line: ``inithealth: unhealthy at step 0, 1 error (GPT, 50 layers)``."""
    layers = f", {count(len(report.layers), 'layer')}" if report.layers else ""
    return f"inithealth: {health(report)} at step {report.step}{counts(report)} ({plain(report.model)}{layers})"


def health(report: Report) -> str:
    """Return ``healthy`` or ``unhealthy``; after errors in the measurements, a report without causes is neither."""
    if not report.ok:
        return "unhealthy"
    return "not fully measured" if report.incomplete else "healthy"


def verdict_style(report: Report) -> str:
    """Return green without findings, else the color of the worst cause that is not suppressed."""
    worst = max((cause.severity for cause in report.causes if cause.suppressed is None), default=Severity.INFO)
    return STYLES[worst] if worst != Severity.INFO else "bold yellow" if report.incomplete else "bold green"


def counts(report: Report) -> str:
    """Return the number of causes, ``, 1 error, 2 warnings``; empty if there are none."""
    active = Counter(cause.severity for cause in report.causes if cause.suppressed is None)
    amounts = {"error": active[Severity.ERROR], "warning": active[Severity.WARNING]}
    found = [count(amount, noun) for noun, amount in amounts.items() if amount]
    uncounted = {"info": active[Severity.INFO], "suppressed": len(report.causes) - active.total()}
    found += [f"{amount} {word}" for word, amount in uncounted.items() if amount]
    return "".join(f", {each}" for each in found)


def summary(report: Report) -> str:
    """Return the verdict and the first cause: ``...: IH106 weight-scale in blocks.3.fc``."""
    first = next((cause for cause in report.causes if cause.suppressed is None), None)
    return verdict(report) if first is None else f"{verdict(report)}: {plain(located(first))}"


def not_judged(report: Report) -> list[Skipped]:
    """Return the rules that were selected but could not be judged."""
    return [skipped for skipped in report.skipped if skipped.reason != "not selected"]


def unmeasured(report: Report) -> list[str]:
    """Return what was not measured; of many places with the same reason, only the first and the last."""
    places: dict[str, list[str]] = {}
    for line in report.not_measured:
        place, colon, why = line.partition(": ")
        places.setdefault(colon + why if colon else line, []).append(place)
    lines = list[str]()
    for why, found in places.items():
        if len(found) > _MOST_ALIKE:
            lines.append(f"{found[0]} ... {found[-1]} ({len(found)} in all){why}")
        else:
            lines += [place if place == why else f"{place}{why}" for place in found]
    return lines


def remarks(report: Report) -> list[str]:
    """Return how the model was judged, what could not be measured, and which rules were not judged."""
    skipped = not_judged(report)
    lines = list(report.notes)
    lines += [f"not measured: {what}" for what in unmeasured(report)]
    lines += [f"not judged: {title(each)}: {each.reason}" for each in skipped]
    not_selected = len(report.skipped) - len(skipped)
    return lines + ([f"not selected: {count(not_selected, 'rule')}"] if not_selected else [])

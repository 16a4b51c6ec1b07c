"""The trial of one run: a plain training and a watched one from the same seed."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from inithealth import Report, Severity

from . import lightning_twin, loop_twin
from .run import Loop, Run
from .twin import Twin

STEPS = 50
NOT_WATCHED = "not watched"  # the callback saw no optimizer step
_WARM_UP = 3  # steps of a first training: what a library does once is not part of the CPU time


def train(run: Run | Loop, steps: int, **options: Any) -> Twin:
    """Train one twin in a temporary folder. Options: ``watched``, ``fix``, ``seed``."""
    with tempfile.TemporaryDirectory() as folder:
        if isinstance(run, Loop):
            return loop_twin.train(run, steps, Path(folder), **options)
        return lightning_twin.train(run, steps, Path(folder), **options)


def trial(run: Run | Loop, steps: int = STEPS) -> dict[str, Any]:
    """Return the entry of a run; of one that raises, the error and which of the trainings raised it."""
    try:
        train(run, _WARM_UP, watched=False)
        plain = train(run, steps, watched=False)
    except Exception as error:
        return {"error": f"plain training: {type(error).__name__}: {error}"}
    try:
        watched = train(run, steps, watched=True)
    except Exception as error:
        return {"error": f"watched training: {type(error).__name__}: {error}"}
    repeats = plain.same(watched) or plain.same(train(run, steps, watched=False))
    return {"kind": run.kind, "repeats": repeats, **compared(plain, watched)}


def compared(plain: Twin, watched: Twin) -> dict[str, Any]:
    """Return the fields of a result that come from both twins."""
    report = watched.report
    return {
        "identical": plain.same(watched),
        "steps": len(watched.losses),
        "verdict": NOT_WATCHED if report is None else report.summary().splitlines()[0],
        "alarms": [] if report is None else alarms(report),
        "not_measured": [] if report is None else list(report.not_measured),
        "incomplete": report is None or report.incomplete,
        "event_bytes": watched.event_bytes - plain.event_bytes,
        "checkpoint_bytes": watched.checkpoint_bytes - plain.checkpoint_bytes,
        "ratio": watched.seconds / plain.seconds,
        "seconds": plain.seconds,
        "losses": [watched.losses[0], watched.losses[-1]] if watched.losses else [],
    }


def alarms(report: Report) -> list[dict[str, Any]]:
    """Return every warning and error of a run that was a cause, also if it is resolved."""
    found = []
    for each in report.lifetimes:
        finding = each.finding
        if finding.role == "cause" and finding.severity > Severity.INFO:
            keys = {"severity": finding.severity.value, "code": finding.code, "layers": list(finding.layers[:3])}
            texts = {"message": finding.message, "cause": finding.cause, "fix": finding.fix}
            found.append({**keys, "step": each.opened, "closed": each.closed, **texts})
    return found

"""The document of a report: what the HTML report and notebooks show."""

from __future__ import annotations

from typing import Any

from inithealth.findings import Report
from inithealth.page.deviations import Deviations
from inithealth.page.document import document
from inithealth.page.state import state
from inithealth.page.step_values import blocks, evenly, packed
from inithealth.page.structure import structure
from inithealth.page.with_fixes import with_fixes
from inithealth.recorded_run import Flow
from inithealth.recording import Recording, Step
from inithealth.report.cause_layers import rules_of_causes

_NO_FLOW = "The report was written by an older version: optimizer, input and residual branches are not known."
_NO_STEPS = "The report has no measurements of layers: only its findings are shown."
_UNREADABLE = "The values of the later steps cannot be read: the first step is shown."


def run_data(report: Report, *, most_steps: int | None = None) -> dict[str, Any]:
    """Return the document of a report; of one written by an older version, without what it lacks.

    Args:
        most_steps: steps to include at most, evenly spread from the first to the last; None includes all.
    """
    lacks = [] if report.flow is not None else [_NO_FLOW]
    recording, found = first_step(report), rules_of_causes(report)
    if not recording.steps:
        lacks.append(_NO_STEPS)
        return document(
            {"model": report.model}, state(report), (), (), run=report.model, last_step=report.step, lacks=lacks
        )
    deviations = Deviations(recording, found)
    steps, rows, thinned = _history(report, len(deviations.layers), lacks)
    if not steps:
        steps, rows = [recording.steps[0].index], [packed(deviations.values(recording.steps[0]))]
    if most_steps is not None and len(steps) > most_steps:
        kept = list(evenly(len(steps), most_steps))
        thinned = f"{len(kept)} of {len(steps)} recorded steps are shown, to keep the page small"
        steps, rows = [steps[place] for place in kept], [rows[place] for place in kept]
    return document(
        structure(recording, deviations, found, report.versions),
        state(report),
        steps,
        rows,
        run=report.model,
        last_step=report.step,
        thinned=thinned,
        lacks=lacks,
        fixed=with_fixes(recording, report.fixed_measurements, found),
    )


def first_step(report: Report) -> Recording:
    """Return the recording of a report's first step; without steps if no layer was measured."""
    flow = report.flow or Flow(normalized=any(layer.kind == "norm" for layer in report.layers))
    step = Step(index=flow.step, layers=report.measurements)
    return Recording(
        model=report.model,
        layers=report.layers,
        steps=(step,) if report.measurements else (),
        inputs=flow.inputs,
        normalized=flow.normalized,
        trunk_normalized=flow.trunk_normalized,
        branches=flow.branches,
        optimizer=flow.optimizer,
        exact=flow.exact,
    )


def _history(report: Report, layers: int, lacks: list[str]) -> tuple[list[int], list[bytes], str | None]:
    """Return the steps of a watched run with their values; empty if there are none, or none that can be read."""
    if report.history is None:
        return [], [], None
    steps = list(report.history.steps)
    try:
        rows = blocks(report.history.values, len(steps), layers)
    except ValueError:
        lacks.append(_UNREADABLE)
        return [], [], None
    return steps, rows, report.history.thinned

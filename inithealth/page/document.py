"""The document that the page draws: one run as JSON. Only the standard library is imported here.

A document has the parts of a run that do not change (the structure), those that change with the findings (the state),
and the values of the recorded steps.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from inithealth.page.alert_colors import with_alerts
from inithealth.page.step_values import columns

VERSION = 1
# Fields of each part with the value that the page gets if a run does not have the field.
STRUCTURE: dict[str, Any] = {
    "model": "",
    "optimizer": "",
    "exact": True,
    "versions": {},
    "layers": [],
    "trunk": {"normalized": False, "branches": 0},
    "expected": {"forward": [], "gradient": [], "gain": []},
    "theory": [],
    "reference": {"forward": "", "gradient": ""},
}
STATE: dict[str, Any] = {
    "healthy": None,
    "verdict": "not judged yet",
    "errors": 0,
    "warnings": 0,
    "infos": 0,
    "notMeasured": [],
    "notes": [],
    "skipped": [],
    "findings": [],
}


def document(
    structure: Mapping[str, Any],
    state: Mapping[str, Any],
    steps: Sequence[int],
    blocks: Sequence[bytes],
    *,
    run: str = "",
    last_step: int = 0,
    thinned: str | None = None,
    lacks: Sequence[str] = (),
    fixed: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the document of one run.

    Args:
        structure: the fields of `STRUCTURE`; missing ones and those of another type get their default.
        state: the fields of `STATE`, likewise.
        steps: the recorded steps, in ascending order.
        blocks: the values of each step, as `step_values.packed` returns them.
        run: TensorBoard's name of the run, or the model of a report.
        last_step: the last step of the run, which may be later than the last recorded one.
        thinned: which recorded steps are missing; None if none are.
        lacks: sentences on what the document lacks.
        fixed: the first step with the fixes, as `with_fixes.with_fixes` returns it; None if no fix was tried.
    """
    return {
        "version": VERSION,
        "run": run,
        **{name: _of_type(structure.get(name), default) for name, default in STRUCTURE.items()},
        **{name: _of_type(state.get(name), default) for name, default in STATE.items()},
        "lastStep": max(last_step, *steps[-1:], 0),
        "lacks": list(lacks),
        "steps": list(steps),
        "thinned": thinned,
        "values": columns(with_alerts(structure.get("layers", ()), state.get("findings", ()), steps, blocks)),
        "fixed": fixed,
    }


def _of_type(value: Any, default: Any) -> Any:
    """Return the value of a field if it has the type of its default: event files may contain anything."""
    return value if type(value) is (bool if default is None else type(default)) else default


def number(value: float | None) -> float | None:
    """Return a number that JSON can represent: None for NaN and infinity."""
    return None if value is None or not math.isfinite(value) else value


def rounded(value: float | None) -> float | None:
    """Return a number with four significant digits, which is more than the page shows."""
    known = number(value)
    return None if known is None else number(float(f"{known:.4g}"))  # the largest floats are rounded to infinity


def to_json(document: Mapping[str, Any]) -> str:
    """Return strict JSON in ASCII, without spaces. Raises ValueError for NaN and infinity."""
    return json.dumps(document, allow_nan=False, separators=(",", ":"))

"""The first step with the fixes, which the page shows beside the first step as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from inithealth.page.deviations import Deviations
from inithealth.page.healthy_ranges import Found
from inithealth.page.step_values import columns, packed
from inithealth.page.structure import structure
from inithealth.recording import Measurement, Recording, Step

_FIELDS = ("expected", "theory")  # of the structure: those that follow from the measurements


def with_fixes(recording: Recording, fixed: Sequence[Measurement], found: Found) -> dict[str, Any] | None:
    """Return the values of the first step with the fixes, and what is expected of them; None if no fix was tried.

    Args:
        recording: of the model as it is, with the first recorded step.
        fixed: the measurements of that step with the fixes.
        found: names of the rules that found something in a layer as it is, by layer name: their targets are expected.
    """
    if not fixed:
        return None
    step = Step(index=recording.steps[0].index, layers=tuple(fixed))
    after = recording.model_copy(update={"steps": (step,)})
    deviations = Deviations(after, found)
    known = structure(after, deviations, found, {})
    return {
        "values": columns([packed(deviations.values(step))]),
        **{name: known[name] for name in _FIELDS},
    }

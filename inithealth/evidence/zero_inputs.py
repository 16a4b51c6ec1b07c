"""Learned tables at zero that are the only input of a layer, such as feature grids: downstream layers see nothing."""

from __future__ import annotations

from collections.abc import Sequence

from inithealth.evidence import fixes, signal_path
from inithealth.recording import Layer, Recording


def zero_tables(recording: Recording) -> list[Layer]:
    """Return the tables at zero without gradient, if a layer that no other weight precedes receives only zeros.

    Then nothing but these tables can be its input. Elsewhere a table at zero is added to a signal, as positions are.
    """
    trial = recording.probation
    if trial is None or not trial.settled:
        return []
    unchanged = set(trial.asleep)
    starved = [
        layer
        for layer, m in signal_path.measured(recording)
        if layer.reads_input and layer.parameter in unchanged and m.input is not None and m.input.abs_max == 0.0
    ]
    tables = [
        layer
        for layer, weight in recording.weighted
        if layer.kind in ("other", "embedding")
        and weight.abs_max == 0.0
        and weight.trainable
        and weight.name in unchanged
    ]
    return tables if starved else []


def fix(tables: Sequence[Layer]) -> str:
    """Return code that draws the tables with the scale of a normalized input, as that of an embedding."""
    return fixes.redraw(tables, [1.0] * len(tables))

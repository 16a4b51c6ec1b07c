"""Limits of a small batch: differences between samples, and units that no input activates."""

from __future__ import annotations

from inithealth.evidence.wording import count, span
from inithealth.layer_kinds import PROJECTIONS
from inithealth.recording import Layer, Measurement, Recording

ENOUGH = 8  # output rows (samples, or samples x positions) needed to judge directions and dead units


def too_few(recording: Recording) -> list[tuple[Layer, int]]:
    """Return the layers with fewer output rows than needed, although they have as many units, and their row counts.

    The result is empty if the batch is large enough: a single expert or a squeeze layer may have few rows of its own.
    The batch is too small if the first layer has few rows, or if a head has only one.
    """
    rows = [
        (layer, found)
        for layer in recording.layers
        if (m := recording.first.get(layer.name)) is not None and (found := _rows(layer, m)) is not None
    ]
    if rows and rows[0][1] < ENOUGH:
        return [(layer, found) for layer, found in rows if found < ENOUGH]
    return [(layer, found) for layer, found in rows if layer.head and found == 1]


def _rows(layer: Layer, m: Measurement) -> int | None:
    """Return the rows of a layer's output; None for a layer that is not judged by them."""
    if m.output is None or layer.kind not in PROJECTIONS or layer.weight is None or layer.unit_axis is None:
        return None
    units = layer.weight.shape[layer.unit_axis]
    return m.output.numel // units if units >= ENOUGH else None


def unmeasured(recording: Recording) -> tuple[str, ...]:
    """Return a line that explains what cannot be judged with this batch; empty if the batch is large enough."""
    few = too_few(recording)
    if not few:
        return ()
    rows = min(number for _, number in few)
    layers = [layer for layer, _ in few]
    alone = "one sample, or no batch dimension" if rows == 1 else "few samples"
    return (
        f"used directions and dead units of {span(layers)}: the batch has {alone} ({count(rows, 'row')} of outputs "
        f"there); pass a batch of {ENOUGH} samples or more{_shape(recording)}",
    )


def _shape(recording: Recording) -> str:
    first = recording.layers[0]
    if first.kind != "linear" or first.weight is None:
        return ""
    return f", as of shape ({ENOUGH}, {first.weight.fan_in})"

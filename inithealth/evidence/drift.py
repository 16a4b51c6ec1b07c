"""A network's own early steps: what its later ones are compared with."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import median

from inithealth.recording import EARLY, Measurement, Recording, Step

Reading = Callable[[Measurement], float | None]


def baseline(recording: Recording, fewest: int) -> Sequence[Step]:
    """The early steps, as far as they were recorded; empty where there are too few."""
    early = [step for step in recording.steps[1 : 1 + EARLY] if not step.broken]
    return early if len(early) >= fewest else []


def latest(recording: Recording) -> Step | None:
    """The last step recorded, where it lies beyond the early ones and is not broken."""
    last = recording.steps[-1] if len(recording.steps) > 1 + EARLY else None
    return None if last is None or last.broken else last


def drifts(recording: Recording, read: Reading, fewest: int) -> dict[str, float]:
    """Octaves by which each layer's number has changed since the early steps. Empty before there are later ones."""
    last = latest(recording)
    early = [_by_layer(step, read) for step in baseline(recording, fewest)]
    if last is None or not early:
        return {}
    found: dict[str, float] = {}
    for layer, value in _by_layer(last, read).items():
        before = [values[layer] for values in early if layer in values]
        if len(before) >= fewest:
            found[layer] = math.log2(value / median(before))
    return found


def beyond_the_network(drift: Mapping[str, float]) -> dict[str, float]:
    """The same, less what all layers have changed by."""
    middle = median(drift.values()) if drift else 0.0
    return {layer: octaves - middle for layer, octaves in drift.items()}


def _by_layer(step: Step, read: Reading) -> dict[str, float]:
    values = {m.layer: read(m) for m in step.layers}
    return {layer: value for layer, value in values.items() if value is not None and 0.0 < value < math.inf}

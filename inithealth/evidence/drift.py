"""Changes of a layer's values during training, relative to the network's early steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import median

from inithealth.recording import EARLY, Measurement, Recording, Step

Reading = Callable[[Measurement], float | None]


def baseline(recording: Recording, fewest: int) -> Sequence[Step]:
    """Return the early steps that were recorded; empty if there are fewer than `fewest`."""
    early = [step for step in recording.steps[1 : 1 + EARLY] if not step.broken]
    return early if len(early) >= fewest else []


def latest(recording: Recording) -> Step | None:
    """Return the last recorded step; None if it is an early or a broken one."""
    last = recording.steps[-1] if len(recording.steps) > 1 + EARLY else None
    return None if last is None or last.broken else last


def drifts(recording: Recording, read: Reading, fewest: int) -> dict[str, float]:
    """Return the change of each layer's value since the early steps, in octaves; empty without later steps."""
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
    """Return the changes minus the median change of all layers."""
    middle = median(drift.values()) if drift else 0.0
    return {layer: octaves - middle for layer, octaves in drift.items()}


def _by_layer(step: Step, read: Reading) -> dict[str, float]:
    values = {m.layer: read(m) for m in step.layers}
    return {layer: value for layer, value in values.items() if value is not None and 0.0 < value < math.inf}

"""The expected level of each layer, around which the pictures show the healthy band."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

from inithealth.evidence.roles import level_role
from inithealth.recording import Recording, Step
from inithealth.tensorboard.log2_levels import Level, Reading, finite, forward_level, gradient_level, levels_of, log2

OCTAVES = 1.0  # half width of the healthy band: within x2 of the expected level


@dataclass(frozen=True)
class Reference:
    """Expected levels: log2 by layer name, and where they come from."""

    source: str
    levels: Mapping[str, float]


@dataclass(frozen=True)
class Quantity:
    """One of the two quantities that are drawn: its name, how it is read, its expected levels."""

    name: str
    level: Reading
    reference: Callable[[Recording, Step], Reference]


def zero_starts(recording: Recording, reading: Reading) -> frozenset[str]:
    """Return the layers that are exactly zero at the first recorded step, if that is an intentional start.

    These are heads, layers that a skip connection bypasses, and for gradients all layers upstream of a zero head.
    """
    zero_head = reading is gradient_level and any(
        layer.head and _start(recording, forward_level).get(layer.name) == -math.inf for layer in recording.layers
    )
    start = _start(recording, reading)
    return frozenset(
        layer.name
        for layer in recording.layers
        if start.get(layer.name) == -math.inf
        and (zero_head or layer.head or layer.bypassable or layer.ends_branch or layer.feeds == "residual")
    )


def forward_reference(recording: Recording, step: Step) -> Reference:
    """Return the expected rms: without norms, that of the network's input; else that of similar layers (see `_peers`).

    It is taken from the first recorded step, so that drift is visible; for zero starts, from ``step``.
    """
    start = _start(recording, forward_level)
    zero = zero_starts(recording, forward_level)
    late = _peers(recording, levels_of(step, forward_level), zero)
    if recording.normalized:
        # A norm's output has rms 1, except if it ends a residual branch and intentionally starts at 0.
        norms = {layer.name: 0.0 for layer in recording.layers if layer.kind == "norm" and layer.name not in zero}
        return Reference("similar layers' median", _peers(recording, start) | norms | late)
    inputs = finite(log2(signal.rms) for signal in recording.inputs.values() if signal.sampled)
    if inputs:
        return Reference("the input's rms", _everywhere(recording, inputs[:1]) | late)
    return Reference("the first layer's rms", _everywhere(recording, _in_depth_order(recording, start)[:1]) | late)


def gradient_reference(recording: Recording, step: Step) -> Reference:
    """Return the expected gradient norm of a step: without norms, that of the layer nearest to the loss."""
    levels = levels_of(step, gradient_level)
    if recording.normalized:
        return Reference("similar layers' median", _peers(recording, levels))
    late = _peers(recording, levels, zero_starts(recording, gradient_level))
    return Reference("the last layer's", _everywhere(recording, _in_depth_order(recording, levels)[-1:]) | late)


def _start(recording: Recording, reading: Reading) -> dict[str, Level]:
    return levels_of(recording.steps[0], reading) if recording.steps else {}


def _everywhere(recording: Recording, measured: list[float]) -> dict[str, float]:
    """Return the one level in the list for all layers; empty without one."""
    return {layer.name: level for layer in recording.layers for level in measured}


def _peers(recording: Recording, levels: Mapping[str, Level], among: frozenset[str] | None = None) -> dict[str, float]:
    """Return the median level of the layers of the same role; only of the layers ``among``, if given.

    With norms, healthy levels differ by role (an embedding of 0.02, a projection of 0.4).
    """
    groups: dict[Hashable, list[float]] = defaultdict(list)
    members = [layer for layer in recording.layers if among is None or layer.name in among]
    for layer in members:
        groups[level_role(layer)] += finite([levels.get(layer.name)])
    return {layer.name: statistics.median(groups[level_role(layer)]) for layer in members if groups[level_role(layer)]}


def _in_depth_order(recording: Recording, levels: Mapping[str, Level]) -> list[float]:
    return finite(levels.get(layer.name) for layer in sorted(recording.layers, key=lambda layer: layer.index))


FORWARD = Quantity("forward", forward_level, forward_reference)
GRADIENT = Quantity("gradient", gradient_level, gradient_reference)

"""The level that is wanted at each layer: what the pictures call healthy."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

from inithealth.evidence.roles import level_role
from inithealth.recording import Recording, Step
from inithealth.tensorboard.log2_levels import Level, Reading, finite, forward_level, gradient_level, levels_of, log2

OCTAVES = 1.0  # half width of the healthy band: within x2 of what is wanted is no news


@dataclass(frozen=True)
class Reference:
    """What is wanted: log2 by layer name, and what it is taken from."""

    source: str
    levels: Mapping[str, float]


@dataclass(frozen=True)
class Quantity:
    """One of the two signals that are drawn: its name, how it is read, what it is compared with."""

    name: str
    level: Reading
    reference: Callable[[Recording, Step], Reference]


def sleepers(recording: Recording, reading: Reading) -> frozenset[str]:
    """Layers at exactly zero at the first recorded step, where that is a scheme and no fault as long as they wake.

    Those are heads, layers that a skip leads around, and for gradients all that lies above a head of zeros.
    """
    silent_head = reading is gradient_level and any(
        layer.head and _start(recording, forward_level).get(layer.name) == -math.inf for layer in recording.layers
    )
    start = _start(recording, reading)
    return frozenset(
        layer.name
        for layer in recording.layers
        if start.get(layer.name) == -math.inf
        and (silent_head or layer.head or layer.bypassable or layer.ends_branch or layer.feeds == "residual")
    )


def forward_reference(recording: Recording, step: Step) -> Reference:
    """Without norms the network input's rms is wanted everywhere; norms set levels of their own (see `_peers`).

    What is wanted comes from the first recorded step, so that drift shows; for what starts at zero from ``step``.
    """
    start = _start(recording, forward_level)
    asleep = sleepers(recording, forward_level)
    woken = _peers(recording, levels_of(step, forward_level), asleep)
    if recording.normalized:
        # A norm's output has rms 1 by construction, but one that ends a residual branch may start at 0 by intent.
        norms = {layer.name: 0.0 for layer in recording.layers if layer.kind == "norm" and layer.name not in asleep}
        return Reference("like layers' median", _peers(recording, start) | norms | woken)
    inputs = finite(log2(signal.rms) for signal in recording.inputs.values() if signal.sampled)
    if inputs:
        return Reference("the input's rms", _everywhere(recording, inputs[:1]) | woken)
    return Reference("the first layer's rms", _everywhere(recording, _in_depth_order(recording, start)[:1]) | woken)


def gradient_reference(recording: Recording, step: Step) -> Reference:
    """Without norms the gradient norm at the layer nearest the loss is wanted everywhere, step by step."""
    levels = levels_of(step, gradient_level)
    if recording.normalized:
        return Reference("like layers' median", _peers(recording, levels))
    woken = _peers(recording, levels, sleepers(recording, gradient_level))
    return Reference("the last layer's", _everywhere(recording, _in_depth_order(recording, levels)[-1:]) | woken)


def _start(recording: Recording, reading: Reading) -> dict[str, Level]:
    return levels_of(recording.steps[0], reading) if recording.steps else {}


def _everywhere(recording: Recording, measured: list[float]) -> dict[str, float]:
    """One level for all layers: the one in the list, if there is one."""
    return {layer.name: level for layer in recording.layers for level in measured}


def _peers(recording: Recording, levels: Mapping[str, Level], among: frozenset[str] | None = None) -> dict[str, float]:
    """Median level of the layers of the same role, of all of them or of those ``among`` the given.

    Healthy levels behind a norm differ by role (an embedding of 0.02, a projection of 0.4): no one level fits all.
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

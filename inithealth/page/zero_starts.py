"""Layers whose output or gradient is intentionally zero at the start."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from inithealth.page import levels
from inithealth.recording import Layer, Recording

ZERO_UNTIL = 2  # step at which every intentional zero start is non-zero


def zero_starts(recording: Recording, quantity: str, found: Mapping[str, Collection[str]]) -> frozenset[str]:
    """Return the layers that are exactly zero at the first recorded step, if that is an intentional start.

    These are heads, layers that a skip connection bypasses, layers whose weights are zero without a finding, such as
    those of low-rank adapters, and for gradients all layers upstream of a zero head.

    Args:
        recording: of at least one step.
        quantity: "forward" or "gradient".
        found: names of the rules that found something in a layer, by layer name; such a layer is not intentional.
    """
    zero, zero_outputs = _zeros(recording, quantity), _zeros(recording, "forward")
    zero_head = quantity == "gradient" and any(
        layer.head and layer.name not in found and (_has_zero_weights(layer) or layer.name in zero_outputs)
        for layer in recording.layers
    )
    return frozenset(
        layer.name
        for layer in recording.layers
        if layer.name in zero and layer.name not in found and (zero_head or layer.head or _may_be_zero(layer))
    )


def _may_be_zero(layer: Layer) -> bool:
    """Return whether the signal goes around a layer, or its weights are zero: the rules judge zero weights."""
    return _has_zero_weights(layer) or layer.bypassable or layer.ends_branch or layer.feeds == "residual"


def _has_zero_weights(layer: Layer) -> bool:
    return layer.weight is not None and layer.weight.rms == 0


def _zeros(recording: Recording, quantity: str) -> set[str]:
    known = levels.levels(recording.steps[0], levels.READINGS[quantity])
    return {name for name, level in known.items() if level == -math.inf}

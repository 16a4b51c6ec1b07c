"""Dead units, which never activate, and saturated units, whose activation is flat."""

from __future__ import annotations

import math
from typing import NamedTuple

from inithealth.evidence.facts import limits_of
from inithealth.evidence.limits import SharedLimits, limit
from inithealth.evidence.wording import number
from inithealth.recording import Layer, Measurement, Recording
from inithealth.theory.activations import output_at, row_of


class DeadLimits(SharedLimits):
    """When the units of a layer count as dead."""

    max_share: float = limit(
        0.75,
        "largest share of units that never activate in the batch; the highest of 97 healthy networks is 0.62, in a "
        "squeeze-and-excitation layer with 8 channels. Above it, a dominant bias is reported by dead-units instead of "
        "correlated-outputs",
        unit="share of the layer's units",
    )
    min_units_beside: int = limit(
        8,
        "fewest units of a layer bypassed by a skip connection that is checked if all are dead: all of four units are "
        "dead by chance in one of 16 networks, all of eight in one of 256. Also used by no-gradient",
        unit="units",
    )

    def of(self, units: int) -> float:
        """Return the largest share that is healthy in a layer with this many units."""
        return min(1.0, max(self.max_share, 0.5 + 4 * math.sqrt(0.25 / units)))


class SaturatedLimits(SharedLimits):
    """When the units of a layer count as saturated."""

    max_share: float = limit(
        0.5,
        "largest share of outputs in the activation's flat region; healthy networks have hardly any. Above it, a "
        "dominant bias is reported by saturated-units instead of correlated-outputs",
        unit="share of the layer's outputs",
    )
    hard_std: float = limit(
        3.0,
        "largest healthy std of a hard tanh's input, which sets the share allowed beyond its edges: at 3.1 half of a "
        "tanh's outputs are saturated. He initialization has 1.4, with 48% beyond ±1",
        unit="std",
    )

    def of(self, layer: Layer) -> float:
        """Return the largest share that is healthy; it is larger if the activation's edges are near zero."""
        row = row_of(layer)
        if row is None or row.flat is not None:
            return self.max_share
        edges = [edge for edge in row.saturating(layer.activation_parameters) if edge is not None]
        beyond = sum(math.erfc(abs(edge) / max(self.hard_std, 1e-12) / math.sqrt(2.0)) / 2 for edge in edges)
        return max(self.max_share, beyond)


def inactive_by_chance(recording: Recording, layer: Layer, m: Measurement) -> bool:
    """Whether all units are dead in a bypassed layer with so few units that this can be chance.

    An example is the squeeze layer of a gate. If samples are similar, each unit is dead in one of two networks.
    """
    fewest = limits_of(recording, DeadLimits).min_units_beside
    return layer.bypassable and m.dead_share == 1.0 and 0 < m.units < fewest


def dead_or_saturated(recording: Recording, layer: Layer, m: Measurement) -> bool:
    """Whether most units are dead or saturated, which dead-units and saturated-units report."""
    dead, flat = limits_of(recording, DeadLimits), limits_of(recording, SaturatedLimits)
    return (m.dead_share or 0.0) > dead.max_share or (m.saturated_share or 0.0) > flat.of(layer)


class FlatSide(NamedTuple):
    """On which flat side of their activation the dead units of a layer are, as text."""

    behavior: str  # "never activate", "stay at the maximum"
    why: str

    @property
    def of_one(self) -> str:
        """The behavior of a single unit."""
        return self.behavior.replace("activate", "activates").replace("stay", "stays")


def flat_side(layer: Layer, m: Measurement) -> FlatSide:
    """Return on which flat side of their activation the dead units of a layer are."""
    row = row_of(layer)
    low, high = row.edges(layer.activation_parameters) if row is not None else (0.0, None)
    if row is not None and row.hole:
        return FlatSide("never activate", f"no sample gives them an input beyond ±{number(high or 0.0)}")
    bottom = "never activate" if row is None or low is None or not output_at(layer, low) else "stay at the minimum"
    if not m.pinned_share or high is None:
        why = "a positive input" if not low else f"an input above {number(low)}"
        return FlatSide(bottom, f"no sample gives them {why}")
    if m.pinned_share == m.dead_share or low is None:
        return FlatSide("stay at the maximum", f"no sample gives them an input below {number(high)}")
    return FlatSide(
        f"{bottom} or stay at the maximum",
        f"no sample gives them an input between {number(low)} and {number(high)}",
    )

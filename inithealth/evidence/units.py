"""Units that no input opens, and units that work where their activation is flat."""

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
        "share of the units that stay shut for the whole batch; the worst of 97 healthy networks has 0.62, a "
        "squeeze-and-excitation layer of 8 channels. Also where correlated-outputs leaves a bias to dead-units",
        unit="share of the layer's units",
    )
    min_units_beside: int = limit(
        8,
        "fewest units of a layer with a skip around it that are judged when all are shut: four are in one of sixteen "
        "networks by chance, eight in one of 256. Also for no-gradient",
        unit="units",
    )

    def of(self, units: int) -> float:
        """The largest share that is no cause for alarm in a layer of so many units."""
        return min(1.0, max(self.max_share, 0.5 + 4 * math.sqrt(0.25 / units)))


class SaturatedLimits(SharedLimits):
    """When the units of a layer count as saturated."""

    max_share: float = limit(
        0.5,
        "share of the outputs on the activation's flat part; healthy networks have next to none. Also where "
        "correlated-outputs leaves a bias to saturated-units",
        unit="share of the layer's outputs",
    )
    hard_std: float = limit(
        3.0,
        "std of what a hard tanh reads up to which the share beyond its edges is no matter of scale: at 3.1 half of a "
        "tanh is flat. He's initialization has 1.4, with 48% beyond ±1",
        unit="std",
    )

    def of(self, layer: Layer) -> float:
        """The largest share that is no cause for alarm; larger where the edges of the activation are near to zero."""
        row = row_of(layer)
        if row is None or row.flat is not None:
            return self.max_share
        edges = [edge for edge in row.saturating(layer.activation_parameters) if edge is not None]
        beyond = sum(math.erfc(abs(edge) / max(self.hard_std, 1e-12) / math.sqrt(2.0)) / 2 for edge in edges)
        return max(self.max_share, beyond)


def inactive_by_chance(recording: Recording, layer: Layer, m: Measurement) -> bool:
    """Whether a layer beside the way, such as the squeeze of a gate, has so few units that all may be shut by chance.

    Where the samples look alike, each is in one network of two.
    """
    fewest = limits_of(recording, DeadLimits).min_units_beside
    return layer.bypassable and m.dead_share == 1.0 and 0 < m.units < fewest


def dead_or_saturated(recording: Recording, layer: Layer, m: Measurement) -> bool:
    """Whether most units are dead or saturated, which the rules on those report."""
    dead, flat = limits_of(recording, DeadLimits), limits_of(recording, SaturatedLimits)
    return (m.dead_share or 0.0) > dead.max_share or (m.saturated_share or 0.0) > flat.of(layer)


class FlatSide(NamedTuple):
    """Where the dead units of a layer are, and why, in words."""

    where: str  # "shut", "at the maximum"
    why: str


def flat_side(layer: Layer, m: Measurement) -> FlatSide:
    """Where the units of a layer are that are dead."""
    row = row_of(layer)
    low, high = row.edges(layer.activation_parameters) if row is not None else (0.0, None)
    if row is not None and row.hole:
        return FlatSide("shut", f"no input of the batch takes them beyond ±{number(high or 0.0)}")
    bottom = "shut" if row is None or low is None or not output_at(layer, low) else "at the minimum"
    if not m.pinned_share or high is None:
        why = "makes them positive" if not low else f"takes them above {number(low)}"
        return FlatSide(bottom, f"no input of the batch {why}")
    if m.pinned_share == m.dead_share or low is None:
        return FlatSide("at the maximum", f"no input of the batch takes them below {number(high)}")
    return FlatSide(
        f"{bottom} or at the maximum", f"no input of the batch takes them between {number(low)} and {number(high)}"
    )

"""Units that no input opens, and units that work where their activation is flat."""

from __future__ import annotations

from inithealth.evidence.facts import limits_of
from inithealth.evidence.limits import SharedLimits, limit
from inithealth.recording import Layer, Measurement, Recording


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


class SaturatedLimits(SharedLimits):
    """When the units of a layer count as saturated."""

    max_share: float = limit(
        0.5,
        "share of the outputs on the activation's flat part; healthy networks have next to none. Also where "
        "correlated-outputs leaves a bias to saturated-units",
        unit="share of the layer's outputs",
    )


def shut_by_chance(recording: Recording, layer: Layer, m: Measurement) -> bool:
    """Whether a layer beside the way, such as the squeeze of a gate, has so few units that all may be shut by chance.

    Where the samples look alike, each is in one network of two.
    """
    fewest = limits_of(recording, DeadLimits).min_units_beside
    return layer.bypassable and m.dead_share == 1.0 and 0 < m.units < fewest


def dead_or_saturated(recording: Recording, m: Measurement) -> bool:
    """Whether most units are dead or saturated, which the rules on those report."""
    dead, flat = limits_of(recording, DeadLimits), limits_of(recording, SaturatedLimits)
    return (m.dead_share or 0.0) > dead.max_share or (m.saturated_share or 0.0) > flat.max_share

"""Weights whose scale differs from that of the layer's peers, or from all common initializations."""

from __future__ import annotations

import math
from statistics import median

from inithealth.evidence import symptoms
from inithealth.evidence.limits import Limits, limit
from inithealth.evidence.roles import grouped, scale_role
from inithealth.evidence.vector_scale import Deviation
from inithealth.layer_kinds import MATRICES
from inithealth.recording import Layer, Recording
from inithealth.theory.gains import octaves_off, recipe_gains, sets_frequencies


class PeerLimits(Limits):
    """How far the gain of a layer may be from that of its peers, or from common initializations."""

    max_octaves: float = limit(
        1.5,
        "largest distance from the layer's peers (a factor of 2.8): on networks labeled by training them, any limit "
        "from 1 to 2.5 gives nearly the same results",
        unit="octaves (factors of 2)",
    )
    max_octaves_alone: float = limit(
        3.0,
        "largest distance from all common initializations for a layer without peers in a network without symptoms: "
        "published networks have up to 2.5",
        unit="octaves (factors of 2)",
    )
    min_peers: int = limit(
        3,
        "fewest layers with the same role that are compared with each other",
        unit="layers",
    )


def layer_deviations(recording: Recording, symptom: bool, limits: PeerLimits) -> dict[str, Deviation]:
    """Return by how much single layers deviate from their peers, or from common initializations."""
    used = [layer for layer in recording.layers if layer.reaches_loss or not recording.graph]
    judged = [layer for layer in used if layer.kind in MATRICES and gain_of(layer) > 0]
    found: dict[str, Deviation] = {}
    for group in grouped(judged, scale_role):
        middle = median(gain_of(layer) for layer in group)
        # If most of the peers have a wrong scale, their median is not a valid reference for the others.
        unreliable = symptom and abs(_octaves_off(group[0], middle)) > limits.max_octaves
        for layer in group:
            octaves = math.log2(gain_of(layer) / middle)
            tolerated = max(limits.max_octaves, _chance(layer))
            if len(group) >= limits.min_peers and not unreliable and abs(octaves) > tolerated:
                peers = f"the median of its {len(group) - 1} peers is"
                found[layer.name] = Deviation(octaves, tolerated, peers, restored=True)
            elif symptom or (len(group) < limits.min_peers and not layer.normed):
                shown = symptom or layer.name in symptoms.far_predictions(recording)
                tolerated = limits.max_octaves if shown else limits.max_octaves_alone
                octaves = _octaves_from_common(layer, recording)
                # Small weights without a symptom may be intentional, as for an output that starts near zero.
                if abs(octaves) > tolerated and (symptom or octaves > 0):
                    common = f"common initializations go {'up' if octaves > 0 else 'down'} to"
                    found[layer.name] = Deviation(octaves, tolerated, common)
    return found


def _octaves_from_common(layer: Layer, recording: Recording) -> float:
    """Return the distance to the nearest common initialization; 0 for layers that may have any such scale.

    Heads and branch ends count only if they are large and the logits have a large spread. A layer whose output is
    added to another signal may start arbitrarily small, even at zero.
    """
    if sets_frequencies(layer):
        return 0.0
    off = _octaves_off(layer, gain_of(layer))
    if not layer.inner or layer.ends_branch:
        far = symptoms.wide_logits(recording) or layer.name in symptoms.far_predictions(recording)
        return off if off > 0 and far else 0.0
    return 0.0 if off < 0 and layer.bypassable else off


def gain_of(layer: Layer) -> float:
    """Return the layer's gain; 0 if it is not known."""
    return layer.gain if layer.gain is not None and math.isfinite(layer.gain) else 0.0


def _chance(layer: Layer) -> float:
    """Return the octaves that the rms of this many random numbers deviates by in one of ten thousand draws."""
    return math.log2(1e4) / (math.prod(layer.shape) or 1)


def _octaves_off(layer: Layer, gain: float) -> float:
    """Return the octaves that a gain is above (or below: negative) all common initializations of such a layer."""
    return 0.0 if layer.weight is None else octaves_off(gain, recipe_gains(layer, layer.weight))

"""Embeddings and normalization weights off in scale: they have no fan_in, so their rms is compared."""

from __future__ import annotations

import math
from statistics import median
from typing import NamedTuple

from inithealth.evidence import symptoms
from inithealth.evidence.limits import Limits, limit
from inithealth.recording import Recording


class Deviation(NamedTuple):
    """How far a weight is outside the expected range."""

    octaves: float  # log2 of its rms over the usual one
    tolerated: float  # octaves that are not worth a word
    usual: str  # the usual one in words: "the median of its 8 peers is"
    whole: bool = False  # the whole network is off


class VectorLimits(Limits):
    """How large embeddings and normalization weights may start."""

    max_embedding_rms: float = limit(
        4.0,
        "largest rms of an embedding; torch's default is 1",
        unit="rms",
        above=0.0,
    )
    max_tied_rms: float = limit(
        0.3,
        "largest rms of an embedding that is the head too: logits grow with it",
        unit="rms",
        above=0.0,
    )
    max_norm_octaves: float = limit(
        2.0,
        "distance of a norm weight from the others (a factor of 4)",
        unit="octaves (factors of 2)",
    )
    min_norm_median: float = limit(
        0.05,
        "smallest median of the norm weights, below which all are off: of 491 networks one starts at 0.14 on "
        "purpose, the bug that shipped at 0.02",
        unit="rms",
    )
    max_norm_median: float = limit(
        8.0,
        "largest median of the norm weights, above which all are off",
        unit="rms",
    )


def embedding_deviations(recording: Recording, limits: VectorLimits) -> dict[str, Deviation]:
    """Embeddings that are too large, by layer name."""
    found = {}
    for layer, weight in recording.weighted:
        if layer.kind == "embedding" and weight.rms > 0:
            tied = bool(weight.tied_to) and symptoms.wide_logits(recording)
            most, usual = (limits.max_tied_rms, 0.02) if tied else (limits.max_embedding_rms, 1.0)
            where = "embeddings that are the head too have" if tied else "embeddings usually have"
            if weight.rms > most:
                found[layer.name] = Deviation(math.log2(weight.rms / usual), math.log2(most / usual), where)
    return found


def norm_deviations(recording: Recording, limits: VectorLimits) -> dict[str, Deviation]:
    """Norm weights far from the others', or all of them far from 1; zeros are judged on probation."""
    rms = {layer.name: weight.rms for layer, weight in recording.weighted if layer.kind == "norm" and weight.rms > 0}
    if not rms:
        return {}
    middle, usual = median(rms.values()), "the median of the norms is"
    if not limits.min_norm_median <= middle <= limits.max_norm_median:  # all scaled: no measure of each other
        middle, usual = 1.0, "norms start with"
    off = {name: math.log2(value / middle) for name, value in rms.items()}
    return {
        name: Deviation(octaves, limits.max_norm_octaves, usual)
        for name, octaves in off.items()
        if abs(octaves) > limits.max_norm_octaves
    }

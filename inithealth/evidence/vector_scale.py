"""Embeddings and normalization weights of a wrong scale: they have no fan_in, so their rms is compared."""

from __future__ import annotations

import math
from statistics import median
from typing import NamedTuple

from inithealth.evidence import symptoms
from inithealth.evidence.limits import Limits, limit
from inithealth.recording import Recording


class Deviation(NamedTuple):
    """How far the rms of a weight is from the usual one."""

    octaves: float  # log2 of its rms over the usual one
    tolerated: float  # largest healthy deviation in octaves
    usual: str  # describes the usual rms: "the median of its 8 peers is"
    whole: bool = False  # whether the whole network deviates
    unstable: bool = False  # whether the first optimizer step would change the weights by a large factor


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
        "largest rms of an embedding that is tied to the head, or a factor of the predictions, which grow with it",
        unit="rms",
        above=0.0,
    )
    max_norm_octaves: float = limit(
        2.0,
        "largest distance of a normalization weight from the others (a factor of 4)",
        unit="octaves (factors of 2)",
    )
    min_norm_median: float = limit(
        0.05,
        "smallest median of the normalization weights, below which they are compared with 1: of 491 healthy networks "
        "one intentionally starts at 0.14; a released library had 0.02 by mistake",
        unit="rms",
    )
    max_norm_median: float = limit(
        8.0,
        "largest median of the normalization weights, above which they are compared with 1",
        unit="rms",
    )


def embedding_deviations(recording: Recording, limits: VectorLimits) -> dict[str, Deviation]:
    """Return the deviations of embeddings that are too large, by layer name."""
    found = {}
    for layer, weight in recording.weighted:
        if layer.kind == "embedding" and weight.rms > 0:
            tied = bool(weight.tied_to) and symptoms.wide_logits(recording)
            factor = layer.name in symptoms.far_predictions(recording)
            most, usual = (limits.max_tied_rms, 0.02) if tied or factor else (limits.max_embedding_rms, 1.0)
            text = "embeddings tied to the head usually have" if tied else "embeddings usually have"
            text = "embeddings whose product is the prediction usually have" if factor else text
            if weight.rms > most:
                found[layer.name] = Deviation(math.log2(weight.rms / usual), math.log2(most / usual), text)
    return found


def norm_deviations(recording: Recording, limits: VectorLimits) -> dict[str, Deviation]:
    """Return the deviations of normalization weights far from the others, or from 1 if all are; without zeros."""
    rms = {layer.name: weight.rms for layer, weight in recording.weighted if layer.kind == "norm" and weight.rms > 0}
    if not rms:
        return {}
    middle, usual = median(rms.values()), "the median of the normalization weights is"
    if not limits.min_norm_median <= middle <= limits.max_norm_median:  # all have a wrong scale
        middle, usual = 1.0, "normalization weights usually start at"
    deviations = {name: math.log2(value / middle) for name, value in rms.items()}
    return {
        name: Deviation(octaves, limits.max_norm_octaves, usual)
        for name, octaves in deviations.items()
        if abs(octaves) > limits.max_norm_octaves
    }

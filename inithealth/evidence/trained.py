"""Which layers' weights are trained, by their spectra."""

from __future__ import annotations

import math
from collections.abc import Sequence

from inithealth.evidence.facts import fact, limits_of
from inithealth.evidence.limits import SharedLimits, limit
from inithealth.evidence.roles import block_role, grouped
from inithealth.layer_kinds import DRAWN
from inithealth.recording import Layer, Recording, Weight, weighted
from inithealth.theory.plain_schemes import MAX_RANDOM_EDGE


class TrainedLimits(SharedLimits):
    """When a layer counts as trained; the rules on initialization skip trained layers."""

    max_random_edge: float = limit(
        MAX_RANDOM_EDGE,
        "largest singular value (mean removed) of an untrained matrix: 0.95 to 1.00 in untrained networks, 1.26 to "
        "4.39 in twelve trained checkpoints",
        unit="ratio to that of random weights of the same size and rms",
    )
    min_share: float = limit(
        0.5,
        "smallest share of weights in trained matrices for a network to count as pretrained: LoRA on a frozen base "
        "exceeds it, a single unusual matrix does not",
        unit="share of the weights' elements",
    )
    min_matrices: int = limit(
        3, "fewest trained matrices of a pretrained network: one or two can be a fault", unit="matrices"
    )
    min_side: int = limit(
        8,
        "fewest rows and columns of a matrix that is checked: the largest singular value of smaller ones varies",
        unit="elements",
    )
    max_row_cosine: float = limit(
        0.5,
        "largest mean cosine between the units of a trained layer: nearly parallel units come from a faulty "
        "initialization, not from training",
        unit="cosine",
    )


@fact
def trained_layers(recording: Recording) -> frozenset[str]:
    """Return the names of the trained layers of a pretrained network, to which rules on scale do not apply.

    Empty for a network that is not pretrained, whatever a single layer looks like. In a pretrained network, a new head
    or LoRA's A is not among them; layers too small for a spectrum follow their peers.
    """
    limits = limits_of(recording, TrainedLimits)
    matrices = [pair for pair in recording.weighted if pair[0].kind != "embedding" and _is_judged(*pair, limits)]
    trained = [pair for pair in matrices if _off_random(*pair, limits)]
    if len(trained) < limits.min_matrices or _size(trained) <= limits.min_share * _size(matrices):
        return frozenset()
    names: set[str] = set()
    for peers in grouped(recording.layers, block_role):
        judged = [pair for pair in weighted(peers) if _is_judged(*pair, limits)]
        off = [layer for layer, weight in judged if _off_random(layer, weight, limits)]
        # Vectors and tiny matrices have no spectrum: in a pretrained network they count as trained.
        unjudged = not judged and (peers[0].kind not in DRAWN or _small(peers[0], limits))
        names |= {layer.name for layer in (peers if unjudged or len(off) > len(judged) / 2 else off)}
    return frozenset(names)


def _is_judged(layer: Layer, weight: Weight, limits: TrainedLimits) -> bool:
    """Whether a weight is a matrix that is large enough, with random or trained values."""
    if weight.spectral_edge is None or _small(layer, limits):
        return False
    return weight.non_finite == 0 and weight.rms > 0 and not (weight.constant or weight.orthogonal or weight.identity)


def _small(layer: Layer, limits: TrainedLimits) -> bool:
    return len(layer.shape) < 2 or min(_sides(layer)) < limits.min_side


def _sides(layer: Layer) -> tuple[int, int]:
    """Return the rows and columns of a layer's matrix, or of each expert's."""
    shape = layer.shape
    return (shape[-2], shape[-1]) if layer.kind == "bmm" else (shape[0], math.prod(shape[1:]))


def _off_random(layer: Layer, weight: Weight, limits: TrainedLimits) -> bool:
    if weight.spectral_edge is None or weight.spectral_edge <= limits.max_random_edge:
        return False
    rows, columns = _sides(layer)
    # A single huge element gives a singular value of its size.
    spiked = weight.abs_max > limits.max_random_edge * weight.rms * (math.sqrt(rows) + math.sqrt(columns))
    return not spiked and weight.row_cosine <= limits.max_row_cosine and weight.duplicate_rows == 0


def _size(pairs: Sequence[tuple[Layer, Weight]]) -> int:
    return sum({weight.name: math.prod(weight.shape) for _, weight in pairs}.values())

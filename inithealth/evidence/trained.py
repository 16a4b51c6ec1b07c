"""Which layers' weights come from a training, by their spectra."""

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
    """What makes a layer a trained one: the rules on scales and draws leave those out."""

    max_random_edge: float = limit(
        MAX_RANDOM_EDGE,
        "largest singular value (mean removed) of a fresh matrix: 0.95 to 1.00 in fresh networks, 1.26 to 4.39 in "
        "twelve trained checkpoints",
        unit="times that of random weights of the same size and rms",
    )
    min_share: float = limit(
        0.5,
        "least share of the weights in trained matrices that makes a network a pretrained one: a single odd matrix "
        "does not, LoRA on a frozen base does",
        unit="share of the weights' elements",
    )
    min_matrices: int = limit(
        3, "fewest trained matrices of a pretrained network: one or two may be a fault", unit="matrices"
    )
    min_side: int = limit(
        8,
        "fewest rows and columns of a matrix that is judged: the edge of a smaller random one varies",
        unit="elements",
    )
    max_row_cosine: float = limit(
        0.5,
        "mean cosine between the units of a trained layer: training does not turn all units one way, a faulty draw "
        "does",
        unit="cosine",
    )


@fact
def trained_layers(recording: Recording) -> frozenset[str]:
    """Names of the layers whose scale a training has set: scale rules have nothing to say of them.

    Empty for a network that is fresh as a whole, whatever a single layer looks like. In a pretrained one a
    fresh head, or LoRA's A, is not among them; a layer without a spectrum to judge follows its peers.
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
        # A vector or a tiny matrix has no spectrum to judge: in a trained network it is taken as trained.
        unjudged = not judged and (peers[0].kind not in DRAWN or _small(peers[0], limits))
        names |= {layer.name for layer in (peers if unjudged or len(off) > len(judged) / 2 else off)}
    return frozenset(names)


def _is_judged(layer: Layer, weight: Weight, limits: TrainedLimits) -> bool:
    """Whether a weight is a matrix large enough, of values that were drawn or trained."""
    if weight.spectral_edge is None or _small(layer, limits):
        return False
    return weight.non_finite == 0 and weight.rms > 0 and not (weight.constant or weight.orthogonal or weight.identity)


def _small(layer: Layer, limits: TrainedLimits) -> bool:
    return len(layer.shape) < 2 or min(_sides(layer)) < limits.min_side


def _sides(layer: Layer) -> tuple[int, int]:
    """Rows and columns; the experts of one tensor stand side by side, each with a matrix of its own."""
    shape = layer.shape
    return (shape[-2], shape[-1]) if layer.kind == "bmm" else (shape[0], math.prod(shape[1:]))


def _off_random(layer: Layer, weight: Weight, limits: TrainedLimits) -> bool:
    if weight.spectral_edge is None or weight.spectral_edge <= limits.max_random_edge:
        return False
    rows, columns = _sides(layer)
    # One huge element is a singular value of that size by itself.
    spiked = weight.abs_max > limits.max_random_edge * weight.rms * (math.sqrt(rows) + math.sqrt(columns))
    return not spiked and weight.row_cosine <= limits.max_row_cosine and weight.duplicate_rows == 0


def _size(pairs: Sequence[tuple[Layer, Weight]]) -> int:
    return sum({weight.name: math.prod(weight.shape) for _, weight in pairs}.values())

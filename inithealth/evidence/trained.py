"""Which layers' weights come from a training, told by their spectra."""

from __future__ import annotations

import math
from collections.abc import Sequence

from inithealth.evidence.roles import block_role, grouped
from inithealth.layer_kinds import DRAWN
from inithealth.recording import Layer, Recording

# Largest singular value over that of random weights of the same size and rms: .95-1.00 in networks at their
# initialization, 1.26-4.39 in trained ones.
MAX_RANDOM_EDGE = 1.15
MIN_TRAINED_SHARE = 0.5  # of the weights: one odd matrix makes no pretrained network, LoRA on a frozen base does
_FEWEST_MATRICES = 3  # fewer may be a fault of one or two layers
_SMALLEST = 8  # rows and columns: the edge of a smaller random matrix is anywhere
_MOST_ALIKE = 0.5  # mean cosine of the units: training does not turn all of them one way, a faulty draw does


def trained_layers(
    recording: Recording, max_random_edge: float = MAX_RANDOM_EDGE, min_share: float = MIN_TRAINED_SHARE
) -> frozenset[str]:
    """Names of the layers whose scale a training has set: scale rules have nothing to say of them.

    Empty for a network that is fresh as a whole, whatever a single layer looks like. In a pretrained one a
    fresh head, or LoRA's A, is not among them; a layer whose spectrum tells nothing follows its peers.
    """
    matrices = [layer for layer in recording.layers if layer.kind != "embedding" and _tells(layer)]
    trained = [layer for layer in matrices if _off_random(layer, max_random_edge)]
    if len(trained) < _FEWEST_MATRICES or _size(trained) <= min_share * _size(matrices):
        return frozenset()
    names: set[str] = set()
    for peers in grouped(recording.layers, block_role):
        told = [layer for layer in peers if _tells(layer)]
        off = [layer for layer in told if _off_random(layer, max_random_edge)]
        # A vector or a tiny matrix tells nothing of its own: in a trained network it is taken as trained.
        mute = not told and (peers[0].kind not in DRAWN or _small(peers[0]))
        names |= {layer.name for layer in (peers if mute or len(off) > len(told) / 2 else off)}
    return frozenset(names)


def _tells(layer: Layer) -> bool:
    """Whether a weight is a matrix large enough, of values that were drawn or trained."""
    weight = layer.weight
    if weight is None or weight.spectral_edge is None or _small(layer):
        return False
    return weight.non_finite == 0 and weight.rms > 0 and not (weight.constant or weight.orthogonal or weight.identity)


def _small(layer: Layer) -> bool:
    shape = layer.weight.shape if layer.weight is not None else ()
    return len(shape) < 2 or min(_sides(layer, shape)) < _SMALLEST


def _sides(layer: Layer, shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns; the experts of one tensor stand side by side, each with a matrix of its own."""
    return (shape[-2], shape[-1]) if layer.kind == "bmm" else (shape[0], math.prod(shape[1:]))


def _off_random(layer: Layer, max_random_edge: float) -> bool:
    weight = layer.weight
    if weight is None or weight.spectral_edge is None or weight.spectral_edge <= max_random_edge:
        return False
    rows, columns = _sides(layer, weight.shape)
    # One huge element is a singular value of that size by itself.
    spiked = weight.abs_max > max_random_edge * weight.rms * (math.sqrt(rows) + math.sqrt(columns))
    return not spiked and weight.row_cosine <= _MOST_ALIKE and weight.duplicate_rows == 0


def _size(layers: Sequence[Layer]) -> int:
    seen = {layer.weight.name: math.prod(layer.weight.shape) for layer in layers if layer.weight is not None}
    return sum(seen.values())

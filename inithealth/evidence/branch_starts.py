"""Residual branches that start with a normalization at zero: they read its bias, the same at every position."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from inithealth.layer_names import split_positions
from inithealth.recording import Layer, Recording, weighted


def constant(recording: Recording) -> list[Layer]:
    """Return the trainable normalizations at the start of residual branches that have a weight of zero.

    Their output is their bias. A normalization that also ends its branch may start at zero, and so may a weight that
    is added to one.
    """
    return [
        layer
        for layer, weight in recording.weighted
        if layer.kind == "norm" and weight.trainable and weight.abs_max == 0.0
        if layer.reads_trunk and layer.reaches_loss and not (layer.ends_branch or layer.transformed)
    ]


def without_twin(recording: Recording, starts: Sequence[Layer]) -> list[Layer]:
    """Return the normalizations for which those of all other blocks are zero too.

    With one zero normalization of several, networks train as well as their healthy twins.
    """
    names = {layer.name for layer in starts}
    alive = {split_positions(layer.name).pattern for layer in recording.layers if layer.name not in names}
    return [layer for layer in starts if split_positions(layer.name).pattern not in alive]


def stops_attention(recording: Recording, starts: Sequence[Layer]) -> bool:
    """Whether no attention of one kind sees the positions apart.

    Queries and keys that are equal at every position get no gradient from the scores.
    """
    for layer in without_twin(recording, starts):
        # Adam rescales the small gradients of a branch that reads zeros. If it reads a constant, they do not depend
        # on the samples.
        rescaled = recording.adaptive and (layer.bias is None or layer.bias.abs_max == 0.0)
        if not rescaled and any(each.feeds == "attention" for each in _branch(recording, layer)):
            return True
    return False


def _branch(recording: Recording, start: Layer) -> list[Layer]:
    """Return the layers of a branch after its first one."""
    after = sorted((each for each, _ in weighted(recording.layers) if each.index > start.index), key=_index)
    return list(takewhile(lambda each: not each.reads_trunk and not each.head, after))


def _index(layer: Layer) -> int:
    return layer.index

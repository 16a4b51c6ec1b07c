"""What a layer's gain and its weight's std are expected to be: what people compare the measured ones with."""

from __future__ import annotations

from typing import Literal, TypeAlias

from inithealth.layer_kinds import MATRICES
from inithealth.recording import Layer
from inithealth.theory.gains import wanted_gain

FREE: Literal["free"] = "free"
Target: TypeAlias = float | str | None


def expected_gain(layer: Layer, is_outside: bool = False) -> Target:
    """The gain that keeps the signal's size through the layer's activation.

    Args:
        layer: which layer.
        is_outside: whether a rule has found that the gain is wrong.

    Returns:
        ``FREE`` where a wide range of gains is healthy and no rule has found this one outside of it; None for what has
        no gain, such as an embedding.
    """
    if layer.kind not in MATRICES:
        return None
    return FREE if _is_free(layer) and not is_outside else wanted_gain(layer)


def expected_std(layer: Layer, is_outside: bool = False) -> Target:
    """The weight's std for that gain; where the gain is free, the std of the initialization that the weight has."""
    if layer.kind not in MATRICES or layer.weight is None:
        return None
    if is_outside or not _is_free(layer):
        return layer.wants
    return FREE if layer.scheme is None or layer.weight.constant else layer.weight.std


def _is_free(layer: Layer) -> bool:
    """Whether a normalization or a skip connection limits what the scale does, or nothing but the loss follows."""
    return layer.normed or layer.reads_norm or layer.bypassable or layer.ends_branch or layer.head

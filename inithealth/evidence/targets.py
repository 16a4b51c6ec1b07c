"""What a layer's weight std and gain are expected to be: what people compare the measured values with."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from statistics import median
from typing import Final, Literal, TypeAlias

from inithealth.evidence.roles import grouped, scale_role
from inithealth.layer_kinds import ELEMENTWISE, MATRICES
from inithealth.recording import Layer
from inithealth.theory.gains import target_gain

FREE: Final = "free"
Target: TypeAlias = float | Literal["free"] | None

_UNSCALED = "unscaled-residual"
# Names of the rules that judge a weight's scale.
SCALE_RULES: Final = frozenset(
    {"weight-scale", _UNSCALED, "zero-weights", "constant-weights", "uninitialised-weights", "non-finite-weights"}
)
_TOLERANCE = 1.25  # times the target or below it: a measured gain varies by that much from batch to batch


class Targets:
    """The expected std of each layer's weight, and the expected gain.

    Args:
        layers: of the network.
        found: names of the rules that found something in a layer, by its name.
    """

    def __init__(self, layers: Iterable[Layer], found: Mapping[str, Collection[str]]) -> None:
        layers = list(layers)
        self._found = found
        self._branches = sum(layer.ends_branch for layer in layers)
        right = [layer for layer in layers if layer.name not in found and weight_size(layer) is not None]
        self._peers = {scale_role(peers[0]): _median_size(peers) for peers in grouped(right, scale_role)}

    def std(self, layer: Layer) -> Target:
        """The std that keeps the signal's size; ``FREE`` where many scales do.

        Where a rule found a wrong scale, it is what the rule expects: the std of the layer's peers, or the scaling of
        residual branches by their number. None if that, or what the layer feeds, is not known.
        """
        size, rules = weight_size(layer), self._found.get(layer.name, ())
        if size is None:
            return None
        if _UNSCALED in rules:
            scale = math.sqrt(max(self._branches, 1))
            return size / scale if layer.ends_branch else size * scale
        if not SCALE_RULES.isdisjoint(rules) and (_is_free(layer) or _is_unknown(layer)):
            return self._peers.get(scale_role(layer), layer.wants)
        return FREE if _is_free(layer) else None if _is_unknown(layer) else layer.wants

    def gain(self, layer: Layer) -> Target:
        """The gain that keeps the signal's size through the layer's activation; ``FREE`` where the scale is free.

        Where a rule found a wrong scale, it is that of the expected std. None for layers without a gain, such as
        embeddings, and if it is not known what the layer feeds.
        """
        if layer.kind not in MATRICES:
            return None
        if not _is_free(layer) and not _is_unknown(layer):
            return target_gain(layer)
        if SCALE_RULES.isdisjoint(self._found.get(layer.name, ())):
            return FREE if _is_free(layer) else None
        std, fan_in = self.std(layer), layer.weight.fan_in if layer.weight is not None else None
        return std * math.sqrt(fan_in) if isinstance(std, float) and fan_in else target_gain(layer)


def is_outside(value: float, target: Target) -> bool:
    """Whether a value differs from a target that is a number by more than chance."""
    return isinstance(target, float) and not target / _TOLERANCE <= value <= target * _TOLERANCE


def weight_size(layer: Layer) -> float | None:
    """Return the std of the layer's weight, or its rms if it multiplies element by element.

    NaN if an element is not finite, None without a weight.
    """
    if layer.weight is None:
        return None
    if layer.weight.non_finite:
        return math.nan
    if layer.kind in ELEMENTWISE:
        return layer.weight.rms
    return 0.0 if layer.weight.constant else layer.weight.std  # without what rounding makes of a constant


def _median_size(layers: Iterable[Layer]) -> float:
    return median(size for layer in layers if (size := weight_size(layer)) is not None)


def _is_free(layer: Layer) -> bool:
    """Whether many scales are healthy: a norm, a skip or gates limit what the scale does, or only the loss follows."""
    if layer.kind == "rnn" or layer.kind not in MATRICES or not layer.called:
        return True
    has_norm = layer.normed or layer.reads_norm or layer.feeds == "norm"
    return has_norm or layer.bypassable or layer.ends_branch or layer.head


def _is_unknown(layer: Layer) -> bool:
    """Whether it is not known what the output is used for, as without a graph."""
    return layer.feeds == "unknown" and layer.activation is None

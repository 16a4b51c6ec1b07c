"""The expected weight std and gain of each layer, which the layer table shows next to the measured values."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from statistics import median
from typing import Final, Literal, TypeAlias

from inithealth.evidence.roles import grouped, scale_role
from inithealth.layer_kinds import ELEMENTWISE, MATRICES
from inithealth.recording import Layer
from inithealth.theory.gains import sets_frequencies, target_gain

FREE: Final = "free"
Target: TypeAlias = float | Literal["free"] | None

_UNSCALED = "unscaled-residual"
# Names of the rules that judge a weight's scale.
SCALE_RULES: Final = frozenset(
    {"weight-scale", _UNSCALED, "zero-weights", "constant-weights", "uninitialised-weights", "non-finite-weights"}
)
_TOLERANCE = 1.25  # factor of tolerance: a measured gain varies this much between batches


class Targets:
    """The expected weight std and the expected gain of each layer.

    Args:
        layers: all layers of the network.
        found: names of the rules that found something in a layer, by layer name.
    """

    def __init__(self, layers: Iterable[Layer], found: Mapping[str, Collection[str]]) -> None:
        layers = list(layers)
        self._found = found
        self._branches = sum(layer.ends_branch for layer in layers)
        right = [layer for layer in layers if layer.name not in found and weight_size(layer) is not None]
        self._peers = {scale_role(peers[0]): _median_size(peers) for peers in grouped(right, scale_role)}

    def std(self, layer: Layer) -> Target:
        """Return the std that preserves the signal's rms; ``FREE`` if many scales do.

        If a rule found a wrong scale, return the std that the rule expects: that of the layer's peers, or the one
            scaled by the number of residual branches. None if that, or what the layer feeds, is not known.
        """
        size, rules = weight_size(layer), self._found.get(layer.name, ())
        if size is None:
            return None
        if _UNSCALED in rules:
            scale = math.sqrt(max(self._branches, 1))
            return size / scale if layer.ends_branch else size * scale
        if not SCALE_RULES.isdisjoint(rules) and (_is_free(layer) or _is_unknown(layer)):
            return self.of_peers(layer) or layer.wants
        return FREE if _is_free(layer) else None if _is_unknown(layer) else layer.wants

    def of_peers(self, layer: Layer) -> float | None:
        """Return the median std of the layers of its role in which no rule found anything; None without such."""
        return self._peers.get(scale_role(layer))

    def gain(self, layer: Layer) -> Target:
        """Return the gain that preserves the signal's rms through the activation; ``FREE`` if many scales do.

        If a rule found a wrong scale, return the gain of the expected std. None for layers without a gain, such as
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
    """Return whether a value differs from a numeric target by more than chance."""
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
    return 0.0 if layer.weight.constant else layer.weight.std  # removes the rounding error of a constant


def _median_size(layers: Iterable[Layer]) -> float:
    return median(size for layer in layers if (size := weight_size(layer)) is not None)


def _is_free(layer: Layer) -> bool:
    """Return whether many scales are healthy: a norm, a skip or gates bound the effect, or only the loss follows."""
    if layer.kind == "rnn" or layer.kind not in MATRICES or not layer.called:
        return True
    has_norm = layer.normed or layer.reads_norm or layer.feeds == "norm"
    return has_norm or layer.bypassable or layer.ends_branch or not layer.inner or sets_frequencies(layer)


def _is_unknown(layer: Layer) -> bool:
    """Return whether it is not known what the output feeds, for example without a graph."""
    return layer.feeds == "unknown" and layer.activation is None

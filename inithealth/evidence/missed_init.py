"""Layers that a custom initialization has missed: they have PyTorch's default, but their peers another scheme."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from statistics import median

from inithealth.evidence.limits import Limits, limit
from inithealth.evidence.roles import author_role, grouped
from inithealth.evidence.trained import trained_layers
from inithealth.layer_kinds import DRAWN, PROJECTIONS
from inithealth.recording import Layer, Recording, Weight, weighted

DEFAULT = "torch_default"


class MissedLimits(Limits):
    """When a custom initialization counts as having missed a layer."""

    min_followers: int = limit(
        3, "fewest layers with another scheme for the remaining layers of the class to count as missed", unit="layers"
    )
    max_missed_share: float = limit(
        0.34,
        "largest share of missed layers among those of one class in one module: a larger share is intentional",
        unit="share of layers",
    )
    max_default_bias: float = limit(
        1.01,
        "largest bias of a missed layer: a larger one was set explicitly. 1 is the bound of PyTorch's default, the "
        "rest is rounding",
        unit="times 1 / sqrt(fan_in)",
    )


@dataclass(frozen=True)
class Missed:
    """Layers with PyTorch's default, and their peers with another scheme."""

    layers: list[Layer]
    followers: list[Layer]  # the peers that follow the scheme
    scheme: str  # name of the followers' scheme
    kind: str  # class name of the layers
    stds: list[float]  # expected std of each layer under the scheme
    share: float  # share of the layers and followers that have the default, intentionally or not


def missed_by_scheme(recording: Recording, limits: MissedLimits) -> Iterator[Missed]:
    """Yield the missed layers of each group of peers, if most of the group follow one scheme.

    A group consists of the layers of one class in one module. Heads, which often have another scheme, are compared with
    heads, and the recurrent weights of recurrent layers with each other. Frozen and trained layers are excluded.
    """
    trained = trained_layers(recording)
    judged = [layer for layer, weight in recording.weighted if _judged(layer, weight) and layer.name not in trained]
    authors = {
        kinds: author_role([layer for layer in recording.layers if layer.kind in kinds])
        for kinds in (PROJECTIONS, DRAWN)
    }

    def role(layer: Layer) -> Hashable:
        author = authors[PROJECTIONS if layer.kind in PROJECTIONS else DRAWN]
        return author(layer), layer.head, _reads_state(layer)

    for family in grouped(judged, role):
        at_default = [layer for layer in family if _scheme(layer) == DEFAULT]
        missed = [layer for layer in at_default if not _has_custom_bias(layer, limits.max_default_bias)]
        others = [layer for layer in family if _scheme(layer) != DEFAULT]
        followers = max(grouped(others, _scheme), key=len, default=[])
        if not any(layer.gain for layer in followers):
            continue  # zeros do not count as a scheme
        if not missed or len(followers) < limits.min_followers or len(followers) < len(others):
            continue
        share = len(at_default) / (len(at_default) + len(followers))
        if share <= limits.max_missed_share:
            scheme = followers[0].scheme.text if followers[0].scheme else ""
            yield Missed(missed, followers, scheme, missed[0].type_name, _expected_stds(missed, followers), share)


def _judged(layer: Layer, weight: Weight) -> bool:
    return weight.trainable and layer.kind in DRAWN and layer.scheme is not None and layer.reaches_loss


def _reads_state(layer: Layer) -> bool:
    """Whether a weight of a recurrent layer multiplies the state: it often has a scheme of its own."""
    return layer.kind == "rnn" and "weight_hh" in layer.parameter


def _has_custom_bias(layer: Layer, most: float) -> bool:
    """Whether a layer's bias is larger than PyTorch's default can be, so that the layer was not missed."""
    if layer.bias is None or layer.weight is None or not layer.weight.fan_in:
        return False
    return layer.bias.abs_max > most / math.sqrt(layer.weight.fan_in)


def _scheme(layer: Layer) -> Hashable:
    return None if layer.scheme is None else layer.scheme.name


def _expected_stds(layers: list[Layer], followers: list[Layer]) -> list[float]:
    """Return the std of each layer under the followers' scheme: one std for all, or one gain for all."""
    weights = [weight for _, weight in weighted(followers) if weight.gain]
    stds, gains = [weight.rms for weight in weights], [weight.gain or 1.0 for weight in weights]
    std, gain = median(stds), median(gains)
    plain = max(stds) / min(stds) <= max(gains) / min(gains)
    return [std if plain else gain / (weight.fan_in or 1) ** 0.5 for _, weight in weighted(layers)]

"""Layers that an initialization has missed: at PyTorch's default among others that follow one scheme."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from statistics import median

from inithealth.evidence.limits import Limits, limit
from inithealth.evidence.roles import author_role, grouped
from inithealth.evidence.trained import trained_layers
from inithealth.layer_kinds import PROJECTIONS
from inithealth.recording import Layer, Recording, Weight, weighted

DEFAULT = "torch_default"


class MissedLimits(Limits):
    """What shows that an initialization has missed a layer."""

    min_followers: int = limit(
        3, "fewest layers that follow one scheme, for the others of their class to have missed it", unit="layers"
    )
    max_missed_share: float = limit(
        0.34,
        "share of the layers of one class in one module that an initialization has missed: more are left so on purpose",
        unit="share of layers",
    )
    max_default_bias: float = limit(
        1.01,
        "largest bias of a layer at the default; a larger one was set by somebody, so the layer was not missed. 1 is "
        "the default's bound, the rest is rounding",
        unit="times 1 / sqrt(fan_in)",
    )


@dataclass(frozen=True)
class Missed:
    """Layers at the default, and those that show what they should have been."""

    layers: list[Layer]
    followers: list[Layer]
    scheme: str  # of the followers, as people say it
    kind: str  # class name
    stds: list[float]  # that the scheme means for each of the layers
    share: float  # of the layers like them that are at the default, on purpose or not


def missed_by_scheme(recording: Recording, limits: MissedLimits) -> Iterator[Missed]:
    """Groups of layers, of one class in one module class, most of which follow one scheme but for some at the default.

    Heads are left out, which have schemes of their own, and so are frozen and trained layers.
    """
    trained = trained_layers(recording)
    judged = [layer for layer, weight in recording.weighted if _judged(layer, weight) and layer.name not in trained]
    role = author_role([layer for layer in recording.layers if layer.kind in PROJECTIONS])
    for family in grouped(judged, role):
        at_default = [layer for layer in family if _scheme(layer) == DEFAULT]
        missed = [layer for layer in at_default if not _biased_on_purpose(layer, limits.max_default_bias)]
        others = [layer for layer in family if _scheme(layer) != DEFAULT]
        followers = max(grouped(others, _scheme), key=len, default=[])
        if not any(layer.gain for layer in followers):
            continue  # zeros are no scheme to follow
        if not missed or len(followers) < limits.min_followers or len(followers) < len(others):
            continue
        share = len(at_default) / (len(at_default) + len(followers))
        if share <= limits.max_missed_share:
            scheme = followers[0].scheme.text if followers[0].scheme else ""
            yield Missed(missed, followers, scheme, missed[0].type_name, _wanted(missed, followers), share)


def _judged(layer: Layer, weight: Weight) -> bool:
    # Embeddings and recurrent layers have one default that everybody keeps.
    drawn = weight.trainable and layer.kind in PROJECTIONS and layer.scheme is not None
    return drawn and layer.reaches_loss and not layer.head


def _biased_on_purpose(layer: Layer, most: float) -> bool:
    """Whether a layer's bias is beyond what the default draws: somebody has set it, so the layer was not missed."""
    if layer.bias is None or layer.weight is None or not layer.weight.fan_in:
        return False
    return layer.bias.abs_max > most / math.sqrt(layer.weight.fan_in)


def _scheme(layer: Layer) -> Hashable:
    return None if layer.scheme is None else layer.scheme.name


def _wanted(layers: list[Layer], followers: list[Layer]) -> list[float]:
    """The std of each layer by the followers' scheme: the same for all, or the same gain for all."""
    weights = [weight for _, weight in weighted(followers) if weight.gain]
    stds, gains = [weight.rms for weight in weights], [weight.gain or 1.0 for weight in weights]
    std, gain = median(stds), median(gains)
    plain = max(stds) / min(stds) <= max(gains) / min(gains)
    return [std if plain else gain / (weight.fan_in or 1) ** 0.5 for _, weight in weighted(layers)]

"""Parameters that a whole initialization leaves as they are, and the reason."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from inithealth.evidence.fixes import is_weight_normed
from inithealth.evidence.odd_biases import constant_value, is_drawn
from inithealth.evidence.roles import block_role, grouped
from inithealth.evidence.trained import trained_layers
from inithealth.layer_kinds import DRAWN, MATRICES
from inithealth.operations import parametrized
from inithealth.planning.surroundings import is_gated
from inithealth.recording import Layer, Recording, Weight, weighted
from inithealth.theory.activations import row_of
from inithealth.theory.gains import sets_frequencies
from inithealth.theory.recipes import is_recurrent

UNKNOWN = "their role is not known"
_SMALL_START = 0.03  # gain of weights that start near zero intentionally, as the last layer of a policy
_OFF_CENTER = 0.3  # mean over rms beyond which a weight was not drawn around zero
_SURE = 4.0  # standard errors of the mean


class Kept:
    """Why parameters of a network are kept.

    Args:
        recording: of the network.
        repaired: parameters that fixes of findings change: their values are not intentional.
    """

    def __init__(self, recording: Recording, repaired: Collection[str]) -> None:
        self._recording, self._repaired = recording, repaired
        self._small = _small(recording.layers)
        self._trained = trained_layers(recording)
        self._decays = {name for decay in recording.decays for name in (decay.layer, decay.bias, *decay.rates)}
        self._generators = {each.layer for each in recording.generated}

    def weight(self, layer: Layer, weight: Weight) -> str:
        """Return why a weight is kept; "" if it is initialized."""
        if not weight.trainable:
            return "they are frozen"
        if layer.name in self._trained:
            return "they are trained"
        role = self._role(layer, weight)
        if role or layer.kind == "norm":
            return role
        if weight.name in self._repaired:
            return ""
        return "they start near zero intentionally" if weight.name in self._small else _intended(weight)

    def bias(self, layer: Layer, bias: Weight) -> str:
        """Return why a bias is kept; "" if it is set to zero."""
        if not bias.trainable:
            return "they are frozen"
        if layer.name in self._trained:
            return "they are trained"
        if bias.name in self._decays or layer.name in self._decays:
            return "they set decays and time steps"
        if is_gated(layer):
            return "they open and close gates"
        row = row_of(layer)
        if row is not None and row.periodic:
            return "they are phases of a sine"
        if layer.steers or layer.name in self._generators:
            return "they set positions or generate weights"
        if bias.name in self._repaired:
            return ""
        value = constant_value(bias)
        if value == 0.0 or is_default(layer, bias):
            return ""
        if value is None and layer.kind != "norm" and is_drawn(layer) and not _is_off_center(bias):
            return ""
        return "they were set to values other than 0"

    def _role(self, layer: Layer, weight: Weight) -> str:
        """Return why the role of a weight does not allow a new initialization; "" if it does."""
        row = row_of(layer)
        if weight.name in self._recording.forward_writes:
            return "the first batch initializes them"
        if layer.name in self._decays or (row is not None and (row.name == "exp" or row.rate)):
            return "they set decays, rates and time steps"
        if layer.steers or layer.name in self._generators:
            return "they set positions or generate weights"
        if layer.kind == "embedding" and layer.scores_only:
            return "they are added to attention scores"
        if layer.kind == "scale":
            return "learned scales start where their authors put them"
        if layer.kind == "other" or (layer.kind in MATRICES and _is_unknown(layer)):
            return UNKNOWN
        if layer.transformed and not (is_weight_normed(layer) or parametrized(weight.name)):
            return "each forward pass computes other weights from them"
        if layer.kind in MATRICES and sets_frequencies(layer):
            return "they set the frequencies of a sine network"
        return ""


def is_default(layer: Layer, bias: Weight) -> bool:
    """Return whether a bias of a single element may be PyTorch's default, a number up to 1 / sqrt(fan_in)."""
    fan_in = layer.weight.fan_in if layer.weight is not None else None
    return math.prod(bias.shape) == 1 and bool(fan_in) and bias.abs_max <= 1.01 / math.sqrt(fan_in or 1)


def _is_unknown(layer: Layer) -> bool:
    used_once = layer.feeds != "unknown" or layer.activation is not None or layer.head
    return not (layer.called and (used_once or is_recurrent(layer)))


def _intended(weight: Weight) -> str:
    """Return which deliberate start a weight has; "" if it was drawn around zero."""
    if weight.abs_max == 0.0:
        return "they start at zero intentionally"
    if weight.identity:
        return "they start at the identity"
    if weight.constant or _is_off_center(weight):
        return "they were not drawn around zero"
    return ""


def _is_off_center(weight: Weight) -> bool:
    chance = _SURE / math.sqrt(max(math.prod(weight.shape), 1))
    return abs(weight.mean) > max(_OFF_CENTER, chance) * weight.rms


def _small(layers: Sequence[Layer]) -> frozenset[str]:
    """Return the parameters that start near zero together with all of their peers."""
    drawn = [layer for layer, _ in weighted(layers) if layer.kind in DRAWN - {"embedding"}]
    roles = (role for role in grouped(drawn, block_role) if max(layer.gain or 1.0 for layer in role) < _SMALL_START)
    return frozenset(layer.parameter for role in roles for layer in role)

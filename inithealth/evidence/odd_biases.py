"""Biases whose initialization is of another kind than that of their peers: constant beside drawn ones, or drawn."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from inithealth.evidence.fix_text import Fix, initialize, set_bias
from inithealth.evidence.limits import Limits, limit
from inithealth.evidence.roles import author_role, grouped
from inithealth.evidence.trained import trained_layers
from inithealth.evidence.wording import number
from inithealth.layer_names import words
from inithealth.recording import Layer, Recording, Weight
from inithealth.theory.distributions import drawn

_DEFAULT = 1.01  # times 1 / sqrt(fan_in), the bound of PyTorch's default: the rest is rounding


class BiasLimits(Limits):
    """When a bias counts as missed by the initialization of its peers."""

    min_bias_followers: int = limit(
        2,
        "fewest biases with one kind of initialization for another one to count as missed: a feature pyramid often has "
        "three heads",
        unit="biases",
    )
    max_odd_share: float = limit(
        0.34,
        "largest share of biases with another kind of initialization: a larger share is intentional",
        unit="share of biases",
    )
    min_bias_distance: float = limit(
        1.5,
        "smallest rms difference from the peers that is reported: LSTMs with one bias of 1 beside biases near 0 train "
        "as well, those with 2 do not always",
        unit="rms",
    )


@dataclass(frozen=True)
class OddBias:
    """A layer whose bias differs from those of its peers."""

    layer: Layer
    followers: list[Layer]
    found: str  # how the bias is initialized: "constant 3"
    usual: str  # how the peers' biases are
    distance: float  # rms of the difference
    mean: float  # of the peers' biases
    std: float  # 0 for a constant

    @property
    def name(self) -> str:
        """The name of the parameter."""
        return _bias(self.layer).name

    @property
    def fix(self) -> Fix:
        """The code that initializes the bias as its peers."""
        if self.std == 0.0:
            return Fix.of([set_bias(self.name, self.mean)])
        mean = 0.0 if abs(self.mean) < self.std else self.mean
        return Fix.of([initialize(self.name, "normal", mean, self.std)])


def odd_biases(recording: Recording, limits: BiasLimits) -> Iterator[OddBias]:
    """Yield the biases of another kind than those of their peers.

    Peers are the biases of recurrent layers of one class in one module, and of heads that repeat each other in a list
    of modules; rules on dead, saturated and correlated units judge those of other layers. A bias whose elements were
    set one by one, as those of a forget gate, is intentional.
    """
    trained = trained_layers(recording)
    judged = [(layer, layer.bias) for layer in recording.layers if layer.bias is not None and layer.reaches_loss]
    biased = [
        layer
        for layer, bias in judged
        if (layer.kind == "rnn" or layer.head) and bias.trainable and not bias.non_finite and layer.name not in trained
    ]
    author = author_role([layer for layer in recording.layers if layer.kind == "rnn"])

    def role(layer: Layer) -> Hashable:
        peers = author(layer) if layer.kind == "rnn" else words(layer.name)
        return layer.type_name, peers, _bias(layer).shape

    for family in grouped({_bias(layer).name: layer for layer in biased}.values(), role):
        followers = _followers(family)
        enough = max(limits.min_bias_followers, (1 - limits.max_odd_share) * len(family))
        if len(followers) >= enough:
            for layer in (each for each in family if _may_differ(each, followers)):
                peers = [each for each in followers if each is not layer]
                odd = _compared(layer, peers) if peers else None
                if odd is not None and odd.distance > limits.min_bias_distance:
                    yield odd


def _bias(layer: Layer) -> Weight:
    assert layer.bias is not None
    return layer.bias


def constant_value(bias: Weight) -> float | None:
    """Return the value of all elements; None if they differ."""
    return bias.mean if bias.abs_max == 0.0 or bias.constant or math.prod(bias.shape) == 1 else None


def is_drawn(layer: Layer) -> bool:
    """Whether a bias was drawn from a distribution, as far as its elements show it."""
    bias, fan_in = _bias(layer), layer.weight.fan_in if layer.weight is not None else None
    if constant_value(bias) is not None:
        return False
    default = bool(fan_in) and bias.abs_max <= _DEFAULT / math.sqrt(fan_in or 1)
    return default or drawn(bias).kind != "unknown"


def _followers(family: Sequence[Layer]) -> list[Layer]:
    """Return the layers with the most common kind of bias: one constant, or drawn."""
    constants = Counter(value for layer in family if (value := constant_value(_bias(layer))) is not None)
    value, amount = constants.most_common(1)[0] if constants else (0.0, 0)
    random = [layer for layer in family if is_drawn(layer)]
    return random if len(random) >= amount else [each for each in family if constant_value(_bias(each)) == value]


def _may_differ(layer: Layer, followers: Sequence[Layer]) -> bool:
    """Whether a bias may be of another kind; beside equal constants, one other than zero was set on purpose."""
    value, usual = constant_value(_bias(layer)), constant_value(_bias(followers[0]))
    if usual is None:  # those with the usual std have a distance near 0
        return value is not None or is_drawn(layer)
    return is_drawn(layer) if value is None else value == 0.0 != usual


def _compared(layer: Layer, followers: list[Layer]) -> OddBias:
    bias, peers = _bias(layer), [_bias(each) for each in followers]
    mean, std = median(each.mean for each in peers), median(each.std for each in peers)
    constant = constant_value(peers[0]) is not None
    distance = math.hypot(bias.mean - mean, bias.std - (0.0 if constant else std))
    usual = f"constant {number(mean)}" if constant else f"drawn with std {number(std)}"
    return OddBias(layer, followers, _kind(bias), usual, distance, mean, 0.0 if constant else std)


def _kind(bias: Weight) -> str:
    value = constant_value(bias)
    return f"drawn with std {number(bias.std)}" if value is None else f"constant {number(value)}"

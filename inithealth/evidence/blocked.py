"""Layers that are in the graph of the loss, but receive a gradient of exactly zero: blocked, not unused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from inithealth.evidence import signal_path
from inithealth.evidence.facts import fact
from inithealth.evidence.units import inactive_by_chance
from inithealth.layer_kinds import MATRICES
from inithealth.layer_names import split_positions
from inithealth.recording import Layer, Recording, ZeroFactor


@dataclass(frozen=True)
class Blocked:
    """The layers without gradient, by what is known about the reason."""

    stopped: tuple[Layer, ...] = ()  # their weights affect the loss: an operation has zero slope
    idle: tuple[Layer, ...] = ()  # their weights do not affect the loss of this batch
    by_zeros: tuple[Layer, ...] = ()  # constants at zero stop their gradient
    factors: tuple[ZeroFactor, ...] = ()  # these constants


@fact
def blocked(recording: Recording) -> Blocked:
    """Return the layers that received no gradient in any step so far, without those for which this is expected."""
    trial = recording.probation
    if trial is None or not trial.asleep:
        return Blocked()
    names = set(trial.asleep)
    zero = [layer for layer in recording.layers if layer.parameter in names and not _by_chance(layer, recording)]
    factors = tuple(factor for factor in recording.zero_factors if names.intersection(factor.parameters))
    stopped_by = {name for factor in factors for name in factor.parameters}
    by_zeros = [layer for layer in zero if layer.parameter in stopped_by]
    others = [each for each in zero if each.parameter not in stopped_by and not _input_is_zero(each, recording)]
    return Blocked(
        stopped=tuple(layer for layer in others if layer.name not in recording.idle),
        idle=tuple(layer for layer in others if layer.name in recording.idle),
        by_zeros=tuple(by_zeros),
        factors=factors,
    )


def dispensable(recording: Recording, layers: Sequence[Layer]) -> bool:
    """Whether another path to the loss trains: past a skip connection, or to a head that sees the samples apart."""
    if signal_path.can_train_without(recording, layers):
        return True
    names = {layer.name for layer in layers}
    inputs = [m.input for layer, m in signal_path.measured(recording) if layer.head and layer.name not in names]
    return any(signal is not None and signal.rms > 0.0 and (signal.between or 0.0) > 0.0 for signal in inputs)


def share(recording: Recording, layers: Sequence[Layer]) -> float:
    """Return the share of the trainable matrices that are blocked, without those that have a twin that trains.

    An expert without tokens, a path that is not selected and a branch that is dropped have such twins.
    """
    names = {layer.name for layer in layers}
    trained = [
        layer
        for layer, weight in recording.weighted
        if weight.trainable and layer.kind in MATRICES and (layer.reaches_loss or layer.name in names)
    ]
    alive = {split_positions(layer.name).pattern for layer in trained if layer.name not in names}
    lost = [each for each in trained if each.name in names and split_positions(each.name).pattern not in alive]
    return len(lost) / len(trained) if trained else 0.0


def _by_chance(layer: Layer, recording: Recording) -> bool:
    m = signal_path.first(recording).get(layer.name)
    return m is not None and inactive_by_chance(recording, layer, m)


def _input_is_zero(layer: Layer, recording: Recording) -> bool:
    """Whether the weight's gradient is zero only because the layer's input is zero.

    The output of such a layer receives a gradient, except for queries and keys of identical inputs. An example is a
    decoder's first layer, whose queries may intentionally start at zero. Other rules report dead or zero layers
    upstream.
    """
    m = signal_path.first(recording).get(layer.name)
    if m is None or m.input is None or m.gradient is None:
        return False
    return m.input.abs_max == 0.0 and (layer.scores_only or m.gradient.abs_max > 0.0)

"""Layers that are in the graph of the loss, but receive a gradient of exactly zero: blocked, not unused."""

from __future__ import annotations

from dataclasses import dataclass

from inithealth.evidence import signal_path
from inithealth.evidence.facts import fact
from inithealth.evidence.units import inactive_by_chance
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

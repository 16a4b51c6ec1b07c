"""Whose gain makes a signal fade or grow over the depth, why, and what mends it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Literal

from inithealth.evidence import fixes
from inithealth.evidence.limits import Limits, limit
from inithealth.evidence.wording import span, times, verb
from inithealth.recording import Layer
from inithealth.theory.activation_table import BY_NAME
from inithealth.theory.gains import gradient_through, has_gain, signal_through, wanted_gain

# Any gain lets the gradient fade through these.
_SIGMOIDS = frozenset(name for name, row in BY_NAME.items() if row.function is not None and row.opens)


class GainLimits(Limits):
    """What makes the gain of a layer's weights a cause."""

    min_gain_difference: float = limit(
        0.05,
        "least difference between a layer's gain and the one that keeps the signal, for its weights to be named as the "
        "cause; more where so few weights differ by more by chance",
        unit="share of the gain that keeps the signal",
    )


def relative_gain(layer: Layer) -> float:
    """The weights' gain over the one that keeps the signal's size through the activation behind them."""
    return layer.gain / wanted_gain(layer) if layer.gain else 1.0


def _chance(layer: Layer, least: float) -> float:
    """By how much a gain may be off by chance: three standard errors of the rms of so many random weights."""
    return max(least, 3 / math.sqrt(2 * max(1, math.prod(layer.shape))))


def weakest(layers: Sequence[Layer], limits: GainLimits) -> list[Layer]:
    """The layers whose gain is below what their activation wants, weakest first; all where the gains do not tell."""
    weak = [layer for layer in layers if relative_gain(layer) < 1 - _chance(layer, limits.min_gain_difference)] or list(
        layers
    )
    return sorted(weak, key=lambda layer: (round(math.log2(relative_gain(layer))), layer.index))


def strongest(layers: Sequence[Layer], way: Sequence[Layer], limits: GainLimits) -> list[Layer]:
    """What makes a signal grow, in order: residual branches, which add up; else what has too large a gain.

    Args:
        layers: the whole network, whose branches are alike.
        way: those that the signal has passed where it is largest.
    """
    if any(layer.ends_branch for layer in way):
        return [layer for layer in layers if layer.ends_branch]
    way = [layer for layer in way if not layer.bypassable] or list(way)
    return [layer for layer in way if relative_gain(layer) > 1 + _chance(layer, limits.min_gain_difference)] or way


def explain(layers: Sequence[Layer], limits: GainLimits, of: Literal["signal", "gradient"] = "signal") -> str:
    """What the gains of the blamed layers make of the signal over the depth, or of the gradient on its way back."""
    if _branches(layers):
        branches = verb(len(layers), "residual branch adds", "residual branches add")
        return f"{len(layers)} {branches} to the signal, and no normalization takes its growth away"
    if _mostly_sigmoid(layers):
        return f"a sigmoid passes at most a quarter of the gradient, and {len(layers)} of them follow each other"
    told = [layer for layer in layers if layer.gain]
    gain = median(relative_gain(layer) for layer in told) if told else 1.0
    if abs(gain - 1) <= limits.min_gain_difference:
        return "no layer's weights stand out: what lies between the layers scales the signal"
    activation = next((layer.activation for layer in layers if has_gain(layer)), None)
    through = f"through {activation}" if activation else "as it is"
    after = (signal_through if of == "signal" else gradient_through)(told)
    total = "" if len(told) == 1 else f": over {len(told)} layers that makes the {of} {times(after)}"
    return f"the weights of {span(layers)} have {times(gain)} the gain that keeps the signal {through}{total}"


def fix(layers: Sequence[Layer]) -> str:
    """What to type, or to change where no initialization helps."""
    if _branches(layers):
        return fixes.each(layers, factor=len(layers) ** -0.5)
    if _mostly_sigmoid(layers):
        return "use tanh or ReLU in place of the sigmoids, or a normalization before each: weights alone seldom mend it"
    return fixes.each(layers)


def _branches(layers: Sequence[Layer]) -> bool:
    return bool(layers) and all(layer.ends_branch for layer in layers)


def _mostly_sigmoid(layers: Sequence[Layer]) -> bool:
    return sum(layer.activation in _SIGMOIDS for layer in layers) > max(1, len(layers) / 2)

"""Which layers' gains make a signal or gradient shrink or grow with depth, why, and the fix."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Literal

from inithealth.evidence import fixes
from inithealth.evidence.limits import Limits, limit
from inithealth.evidence.wording import span, times, verb
from inithealth.powers import octaves_of
from inithealth.recording import Layer
from inithealth.theory.activation_table import BY_NAME
from inithealth.theory.gains import gradient_through, has_gain, sets_frequencies, signal_through, target_gain
from inithealth.theory.recipes import is_recurrent

# Through these the gradient shrinks with any gain.
_SIGMOIDS = frozenset(name for name, row in BY_NAME.items() if row.function is not None and row.opens)


class GainLimits(Limits):
    """When the gain of a layer's weights counts as a cause."""

    min_gain_difference: float = limit(
        0.05,
        "smallest difference between a layer's gain and the one that preserves the signal for the layer to be named as "
        "the cause; larger for layers with few weights, whose gain varies by chance",
        unit="share of the gain that preserves the signal",
    )


def relative_gain(layer: Layer) -> float:
    """Return the weights' gain relative to the one that preserves the signal's rms through the activation.

    1 for a layer that sets the frequencies of a sine network: many scales are healthy there.
    """
    return layer.gain / target_gain(layer) if layer.gain and not sets_frequencies(layer) else 1.0


def _chance(layer: Layer, least: float) -> float:
    """Return how much a gain may deviate by chance: three standard errors of the rms of this many random weights."""
    return max(least, 3 / math.sqrt(2 * max(1, math.prod(layer.shape))))


def weakest(layers: Sequence[Layer], limits: GainLimits) -> list[Layer]:
    """Return the layers whose gain is too small, smallest first; all layers if there are none."""
    small = [layer for layer in layers if relative_gain(layer) < 1 - _chance(layer, limits.min_gain_difference)]
    return sorted(small or layers, key=lambda layer: (round(octaves_of(relative_gain(layer))), layer.index))


def strongest(layers: Sequence[Layer], path: Sequence[Layer], limits: GainLimits) -> list[Layer]:
    """Return the layers that make a signal grow: the last of residual branches, or those whose gain is too large.

    Args:
        layers: all layers of the network.
        path: the layers up to the one where the signal is largest.
    """
    if any(layer.ends_branch for layer in path):
        return [layer for layer in layers if layer.ends_branch]
    path = [layer for layer in path if not layer.bypassable] or list(path)
    return [layer for layer in path if relative_gain(layer) > 1 + _chance(layer, limits.min_gain_difference)] or path


def explain(layers: Sequence[Layer], limits: GainLimits, of: Literal["signal", "gradient"] = "signal") -> str:
    """Return as text how the gains of these layers scale the signal, or the gradient in the backward pass."""
    if _branches(layers):
        branches = verb(len(layers), "residual branch adds", "residual branches add")
        return f"{len(layers)} {branches} to the signal, and no normalization limits its growth"
    if _mostly_sigmoid(layers):
        return f"a sigmoid passes at most a quarter of the gradient, and the network has {len(layers)} in a row"
    weighted = [layer for layer in layers if layer.gain]
    gain = median(relative_gain(layer) for layer in weighted) if weighted else 1.0
    if abs(gain - 1) <= limits.min_gain_difference:
        return "the scale of the weights is as expected; operations between the layers scale the signal"
    activation = next((layer.activation for layer in layers if has_gain(layer)), None)
    through = f" through {activation}" if activation else ""
    after = (signal_through if of == "signal" else gradient_through)(weighted)
    total = "" if len(weighted) == 1 else f": over {len(weighted)} layers this scales the {of} by {times(after)}"
    return f"the weights of {span(layers)} have {times(gain)} the gain that preserves the signal{through}{total}"


def fix(layers: Sequence[Layer]) -> str:
    """Return the code that fixes the gains, or advice if no initialization helps."""
    if _branches(layers):
        return fixes.each(layers, factor=len(layers) ** -0.5)
    if _mostly_sigmoid(layers):
        return "use tanh or ReLU instead of sigmoid, or add a normalization before each: new weights rarely fix it"
    return fixes.each(layers)


def _branches(layers: Sequence[Layer]) -> bool:
    return bool(layers) and all(layer.ends_branch for layer in layers)


def _mostly_sigmoid(layers: Sequence[Layer]) -> bool:
    squashed = [layer for layer in layers if layer.activation in _SIGMOIDS]
    # A gate has a sigmoid intentionally, and the signal has another path.
    plain = sum(not is_recurrent(layer) and layer.feeds != "gate" for layer in squashed)
    return plain > max(1, len(layers) / 2)

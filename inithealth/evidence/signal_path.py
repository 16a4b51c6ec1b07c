"""Activation levels and gradient norms along the main path: the layers that no skip connection bypasses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

from inithealth.evidence.delivered import delivering
from inithealth.evidence.facts import fact, limits_of
from inithealth.evidence.limits import SharedLimits, limit
from inithealth.layer_kinds import DRAWN
from inithealth.recording import Layer, Measurement, Recording, Signal
from inithealth.theory.gains import sets_frequencies

Pair = tuple[Layer, Measurement]


class LevelLimits(SharedLimits):
    """Which layers' outputs are compared."""

    min_fan: int = limit(
        8,
        "fewest inputs and units of a layer whose output is compared: with fewer, the rms can be small by chance. Also "
        "used by weight-scale for symptoms",
        unit="inputs or units",
    )


@fact
def first(recording: Recording) -> dict[str, Measurement]:
    """Return the measurements of the first recorded step by layer name, in forward order."""
    return recording.first


@fact
def measured(recording: Recording) -> tuple[Pair, ...]:
    """Return the layers with weight matrices, in forward order, with their measurements at the first step.

    Detached layers are excluded, since the norms and skips around them are not known, and layers whose values do not
    affect the loss.
    """
    known, apart = first(recording), {*recording.detached, *recording.unused}
    return tuple(
        (layer, known[layer.name])
        for layer in recording.layers
        if layer.kind in DRAWN and layer.name in known and layer.name not in apart
    )


@fact
def main_path(recording: Recording) -> tuple[Pair, ...]:
    """Return the measured layers that no skip connection bypasses; all layers if there are fewer than two."""
    everything = measured(recording)
    main = tuple(pair for pair in everything if not pair[0].bypassable)
    return main if len(main) > 1 else everything


@fact
def input_rms(recording: Recording) -> float:
    """Return the rms of the largest input, or of the largest embedding output for tokens; 1 if neither is known."""
    levels = [s.rms for s in recording.inputs.values() if usable(s)]
    if not levels:
        embedded = [m.output for layer, m in measured(recording) if layer.kind == "embedding" and not layer.head]
        levels = [signal.rms for signal in embedded if signal is not None and usable(signal)]
    return max(levels, default=1.0)


def usable(signal: Signal | None) -> bool:
    """Whether a signal was measured and is finite."""
    return signal is not None and signal.non_finite == 0 and math.isfinite(signal.rms)


def gradients(pairs: Sequence[Pair]) -> list[tuple[Layer, float]]:
    """Return the norms of the loss's gradient at the layers' outputs, without exact zeros, which other rules report.

    Layers of queries and keys are excluded: their gradient is expected to be near zero while the keys are similar. So
    are layers that only select an element, whose gradient is zero up to rounding, and first layers of sine networks,
    whose gradient grows with the frequencies that they set.
    """
    return [
        (layer, m.gradient.norm)
        for layer, m in pairs
        if m.gradient is not None and _counts(layer, m.gradient) and not sets_frequencies(layer)
    ]


def sensitivities(pairs: Sequence[Pair]) -> list[tuple[Layer, float]]:
    """Return the sensitivity of the loss to a relative change of each layer's output: output norm times gradient norm.

    Unlike the gradient, it does not depend on the scale of a signal before a normalization.
    """
    norms = {layer.name: m.output.norm for layer, m in pairs if m.output is not None and usable(m.output)}
    return [(layer, norm * norms[layer.name]) for layer, norm in gradients(pairs) if norms.get(layer.name)]


def _counts(layer: Layer, gradient: Signal) -> bool:
    return usable(gradient) and gradient.rms > 0 and not (layer.scores_only or layer.only_selects)


def _measures(recording: Recording, pairs: Sequence[Pair]) -> list[list[tuple[Layer, float]]]:
    """Return the measures with at least two layers; gradients shrink or grow only if they do by all of them."""
    found = [gradients(pairs)]
    if recording.normalized:
        found.append(sensitivities(pairs))
    return [sizes for sizes in found if len(sizes) > 1]


@fact
def gradient_ratio(recording: Recording) -> tuple[Layer, float, Layer] | None:
    """Return the smallest over the largest gradient norm on the main path: (where smallest, ratio, where largest)."""
    found = gradients(delivering(recording, main_path(recording)))
    if len(found) < 2:
        return None
    low, high = min(found, key=lambda pair: pair[1]), max(found, key=lambda pair: pair[1])
    return low[0], low[1] / high[1], high[0]


@fact
def gradient_fade(recording: Recording) -> tuple[Layer, float, Layer] | None:
    """Return the smallest gradient norm over the largest downstream of it: (where smallest, ratio, where largest).

    If gradients grow in the backward pass, the ratio is about 1. With normalization, the sensitivity has to shrink too:
    the larger ratio is returned.
    """
    pairs = delivering(recording, main_path(recording))
    measures = _measures(recording, pairs)
    if any(layer.bypassable for layer, _ in pairs):
        measures = list(map(_arriving, measures))
    return max(map(_fade, measures), key=lambda found: found[1], default=None)


def _arriving(found: list[tuple[Layer, float]]) -> list[tuple[Layer, float]]:
    """Return for each layer the largest gradient norm of it and all upstream layers.

    If all layers are bypassed, a larger gradient upstream of a layer has passed around it.
    """
    return list(accumulate(found, lambda upstream, here: (here[0], max(upstream[1], here[1]))))


def _fade(found: list[tuple[Layer, float]]) -> tuple[Layer, float, Layer]:
    worst = high = found[-1]
    top = high
    for layer, norm in reversed(found):
        if norm > high[1]:
            high = (layer, norm)
        elif norm / high[1] < worst[1] / top[1]:
            worst, top = (layer, norm), high
    return worst[0], worst[1] / top[1], top[0]


@fact
def gradient_growth(recording: Recording) -> tuple[Layer, float, Layer] | None:
    """Return the largest gradient norm over that of the last layer: (where largest, ratio, last).

    With normalization, the sensitivity has to grow too: the smaller growth is returned.
    """
    measures = _measures(recording, delivering(recording, measured(recording)))
    return min(map(_growth, measures), key=lambda found: found[1], default=None)


def _growth(found: list[tuple[Layer, float]]) -> tuple[Layer, float, Layer]:
    high, last = max(found, key=lambda pair: pair[1]), found[-1]
    return high[0], high[1] / last[1], last[0]


@fact
def largest_output(recording: Recording) -> tuple[Layer, float] | None:
    """Return the largest activation rms, without generated weights, relative to the input's rms if that is above 1."""
    scale = max(1.0, input_rms(recording))
    signals = [(layer, m.output) for layer, m in measured(recording) if layer.steers != "weight"]
    found = [(layer, output.rms / scale) for layer, output in signals if output is not None and usable(output)]
    return max(found, key=lambda pair: pair[1], default=None)


@fact
def smallest_output(recording: Recording) -> tuple[Layer, float] | None:
    """Return the smallest activation rms on the main path, without heads, relative to an input's rms below 1."""
    return _smallest(recording, [pair for pair in measured(recording) if pair[0].inner])


@fact
def smallest_signal(recording: Recording) -> tuple[Layer, float] | None:
    """Return the same, with heads: their output is small if operations between it and the loss reduce it further."""
    return _smallest(recording, measured(recording))


def _smallest(recording: Recording, pairs: Sequence[Pair]) -> tuple[Layer, float] | None:
    scale = min(1.0, input_rms(recording)) or 1.0
    found = [
        (layer, m.output.rms / scale)
        for layer, m in pairs
        if not layer.bypassable  # an output that is added to another signal may be small
        if m.output and usable(m.output) and m.output.rms > 0 and not layer.steers and layer.kind != "embedding"
    ]
    fewest = limits_of(recording, LevelLimits).min_fan
    wide = [pair for pair in found if _narrowest(pair[0], fewest) >= fewest]
    return min(wide, key=lambda pair: pair[1], default=None)


def _narrowest(layer: Layer, unknown: int) -> int:
    """Return the number of inputs or units of a layer, whichever is smaller."""
    fans = (layer.weight.fan_in, layer.weight.fan_out) if layer.weight is not None else (None,)
    return min(fan or unknown for fan in fans)

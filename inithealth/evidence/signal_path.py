"""The signal on its way: activation levels and gradient norms of the layers that it cannot get round."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

from inithealth.evidence.facts import fact, limits_of
from inithealth.evidence.limits import SharedLimits, limit
from inithealth.layer_kinds import DRAWN
from inithealth.recording import Layer, Measurement, Recording, Signal

Pair = tuple[Layer, Measurement]


class LevelLimits(SharedLimits):
    """Which layers' outputs show how large the signal is."""

    min_fan: int = limit(
        8,
        "fewest inputs and units of a layer whose output is compared: of fewer the rms may be small by chance. Also "
        "for the symptoms that weight-scale looks for",
        unit="inputs or units",
    )


@fact
def first(recording: Recording) -> dict[str, Measurement]:
    """The first recorded step's measurements by layer name, in forward order."""
    return recording.first


@fact
def measured(recording: Recording) -> tuple[Pair, ...]:
    """Layers that transform the signal, in forward order, with what they did at the first step.

    Not those from which the graph is cut: what lies between them, norms or skips, is not known.
    """
    known, detached = first(recording), set(recording.detached)
    return tuple(
        (layer, known[layer.name])
        for layer in recording.layers
        if layer.kind in DRAWN and layer.name in known and layer.name not in detached
    )


@fact
def trunk(recording: Recording) -> tuple[Pair, ...]:
    """Those of them that no skip leads around; all where that leaves fewer than two."""
    everything = measured(recording)
    essential = tuple(pair for pair in everything if not pair[0].bypassable)
    return essential if len(essential) > 1 else everything


@fact
def input_rms(recording: Recording) -> float:
    """rms of the network's largest input; of tokens that of what is looked up for them, 1 where neither is known."""
    levels = [s.rms for s in recording.inputs.values() if usable(s)]
    if not levels:
        looked_up = [m.output for layer, m in measured(recording) if layer.kind == "embedding" and not layer.head]
        levels = [signal.rms for signal in looked_up if signal is not None and usable(signal)]
    return max(levels, default=1.0)


def usable(signal: Signal | None) -> bool:
    """Whether there are finite numbers to judge."""
    return signal is not None and signal.non_finite == 0 and math.isfinite(signal.rms)


def gradients(pairs: Sequence[Pair]) -> list[tuple[Layer, float]]:
    """Norms of the loss's gradient at the layers' outputs; exact zeros are judged as such, not as small.

    Without those of queries and keys: where keys look alike, as at first, what compares them has none by right.
    """
    return [(layer, m.gradient.norm) for layer, m in pairs if m.gradient is not None and _moves(layer, m.gradient)]


def sensitivities(pairs: Sequence[Pair]) -> list[tuple[Layer, float]]:
    """By how much the loss feels a relative change of each layer's output: norm of the output times gradient norm.

    Before a normalization a signal half as large has a gradient twice as large, and nothing is different.
    """
    norms = {layer.name: m.output.norm for layer, m in pairs if m.output is not None and usable(m.output)}
    return [(layer, norm * norms[layer.name]) for layer, norm in gradients(pairs) if norms.get(layer.name)]


def _moves(layer: Layer, gradient: Signal) -> bool:
    return usable(gradient) and gradient.rms > 0 and not layer.scores_only


def _measures(recording: Recording, pairs: Sequence[Pair]) -> list[list[tuple[Layer, float]]]:
    """The sizes that have to fade or grow, all of them, with at least two layers each."""
    found = [gradients(pairs)]
    if recording.normalized:
        found.append(sensitivities(pairs))
    return [sizes for sizes in found if len(sizes) > 1]


@fact
def gradient_ratio(recording: Recording) -> tuple[Layer, float, Layer] | None:
    """The smallest gradient norm on the trunk over the largest: (where smallest, ratio, where largest)."""
    found = gradients(trunk(recording))
    if len(found) < 2:
        return None
    low, high = min(found, key=lambda pair: pair[1]), max(found, key=lambda pair: pair[1])
    return low[0], low[1] / high[1], high[0]


@fact
def gradient_fade(recording: Recording) -> tuple[Layer, float, Layer] | None:
    """The smallest gradient norm on the trunk over the largest behind it: (where smallest, ratio, where largest).

    Gradients that grow on their way back have a ratio of 1 or little less. With normalization the sensitivity
    has to fade too: the lesser fading counts.
    """
    pairs = trunk(recording)
    measures = _measures(recording, pairs)
    if any(layer.bypassable for layer, _ in pairs):
        measures = list(map(_arriving, measures))
    return max(map(_fade, measures), key=lambda found: found[1], default=None)


def _arriving(found: list[tuple[Layer, float]]) -> list[tuple[Layer, float]]:
    """Where every layer has another beside it: a gradient has faded only if it is no larger anywhere before.

    What is larger before a layer has come around it.
    """
    return list(accumulate(found, lambda before, here: (here[0], max(before[1], here[1]))))


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
    """The largest gradient norm over that of the last layer: (where largest, ratio, last).

    With normalization the sensitivity has to grow too: the lesser growth counts.
    """
    measures = _measures(recording, measured(recording))
    return min(map(_growth, measures), key=lambda found: found[1], default=None)


def _growth(found: list[tuple[Layer, float]]) -> tuple[Layer, float, Layer]:
    high, last = max(found, key=lambda pair: pair[1]), found[-1]
    return high[0], high[1] / last[1], last[0]


@fact
def largest_output(recording: Recording) -> tuple[Layer, float] | None:
    """The highest activation rms, relative to the input where that is above 1."""
    scale = max(1.0, input_rms(recording))
    found = [(layer, m.output.rms / scale) for layer, m in measured(recording) if m.output and usable(m.output)]
    return max(found, key=lambda pair: pair[1], default=None)


@fact
def smallest_output(recording: Recording) -> tuple[Layer, float] | None:
    """The lowest activation rms on the trunk, heads apart, relative to the input where that is below 1."""
    scale = min(1.0, input_rms(recording)) or 1.0
    found = [
        (layer, m.output.rms / scale)
        for layer, m in measured(recording)
        if not layer.bypassable  # what is added to another signal may be small
        if m.output and usable(m.output) and m.output.rms > 0 and not layer.head and layer.kind != "embedding"
    ]
    fewest = limits_of(recording, LevelLimits).min_fan
    telling = [pair for pair in found if _narrowest(pair[0], fewest) >= fewest]
    return min(telling, key=lambda pair: pair[1], default=None)


def _narrowest(layer: Layer, unknown: int) -> int:
    """Inputs or units of a layer, whichever are fewer."""
    fans = (layer.weight.fan_in, layer.weight.fan_out) if layer.weight is not None else (None,)
    return min(fan or unknown for fan in fans)


def can_train_without(recording: Recording, lost: Sequence[Layer]) -> bool:
    """Whether training can do without some layers: skips lead around all of them, and others are left to train."""
    names = {layer.name for layer in lost}
    trained = [layer for layer, weight in recording.weighted if weight.trainable and layer.reaches_loss]
    left = any(layer.kind in DRAWN and layer.name not in names for layer in trained)
    return left and all(layer.bypassable for layer in lost)

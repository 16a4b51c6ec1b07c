"""The signal on its way: activation levels and gradient norms of the layers that it cannot get round."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import accumulate

from inithealth.layer_kinds import DRAWN
from inithealth.recording import Layer, Measurement, Recording, Signal

_FEW = 8  # units or inputs: the rms of what fewer put out may be small by chance

Pair = tuple[Layer, Measurement]


def measured(recording: Recording) -> Iterator[Pair]:
    """Layers that transform the signal, in forward order, with what they did at the first step.

    Not those from which the graph is cut: what lies between them, norms or skips, is not known.
    """
    first, detached = recording.first, set(recording.detached)
    for layer in recording.layers:
        if layer.kind in DRAWN and layer.name in first and layer.name not in detached:
            yield layer, first[layer.name]


def trunk(recording: Recording) -> list[Pair]:
    """Those of them that no skip leads around; all where that leaves fewer than two."""
    everything = list(measured(recording))
    essential = [pair for pair in everything if not pair[0].bypassable]
    return essential if len(essential) > 1 else everything


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


def gradients(pairs: list[Pair]) -> list[tuple[Layer, float]]:
    """Norms of the loss's gradient at the layers' outputs; exact zeros are judged as such, not as small.

    Without those of queries and keys: where keys look alike, as at first, what compares them has none by right.
    """
    return [(layer, m.gradient.norm) for layer, m in pairs if m.gradient is not None and _moves(layer, m.gradient)]


def sensitivities(pairs: list[Pair]) -> list[tuple[Layer, float]]:
    """By how much the loss feels a relative change of each layer's output: norm of the output times gradient norm.

    Before a normalization a signal half as large has a gradient twice as large, and nothing is different.
    """
    norms = {layer.name: m.output.norm for layer, m in pairs if m.output is not None and usable(m.output)}
    return [(layer, norm * norms[layer.name]) for layer, norm in gradients(pairs) if norms.get(layer.name)]


def _moves(layer: Layer, gradient: Signal) -> bool:
    return usable(gradient) and gradient.rms > 0 and not layer.scores_only


def _measures(recording: Recording, pairs: list[Pair]) -> list[list[tuple[Layer, float]]]:
    """The sizes that have to fade or grow, all of them, with at least two layers each."""
    found = [gradients(pairs)]
    if recording.normalized:
        found.append(sensitivities(pairs))
    return [sizes for sizes in found if len(sizes) > 1]


def gradient_ratio(recording: Recording) -> tuple[Layer, float, Layer] | None:
    """The smallest gradient norm on the trunk over the largest: (where smallest, ratio, where largest)."""
    found = gradients(trunk(recording))
    if len(found) < 2:
        return None
    low, high = min(found, key=lambda pair: pair[1]), max(found, key=lambda pair: pair[1])
    return low[0], low[1] / high[1], high[0]


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


def gradient_growth(recording: Recording) -> tuple[Layer, float, Layer] | None:
    """The largest gradient norm over that of the last layer: (where largest, ratio, last).

    With normalization the sensitivity has to grow too: the lesser growth counts.
    """
    measures = _measures(recording, list(measured(recording)))
    return min(map(_growth, measures), key=lambda found: found[1], default=None)


def _growth(found: list[tuple[Layer, float]]) -> tuple[Layer, float, Layer]:
    high, last = max(found, key=lambda pair: pair[1]), found[-1]
    return high[0], high[1] / last[1], last[0]


def largest_output(recording: Recording) -> tuple[Layer, float] | None:
    """The highest activation rms, relative to the input where that is above 1."""
    scale = max(1.0, input_rms(recording))
    found = [(layer, m.output.rms / scale) for layer, m in measured(recording) if m.output and usable(m.output)]
    return max(found, key=lambda pair: pair[1], default=None)


def smallest_output(recording: Recording) -> tuple[Layer, float] | None:
    """The lowest activation rms on the trunk, heads apart, relative to the input where that is below 1."""
    scale = min(1.0, input_rms(recording)) or 1.0
    found = [
        (layer, m.output.rms / scale)
        for layer, m in measured(recording)
        if not layer.bypassable  # what is added to another signal may be small
        if m.output and usable(m.output) and m.output.rms > 0 and not layer.head and layer.kind != "embedding"
    ]
    telling = [pair for pair in found if _wide(pair[0])]
    return min(telling, key=lambda pair: pair[1], default=None)


def _wide(layer: Layer) -> bool:
    fans = (layer.weight.fan_in, layer.weight.fan_out) if layer.weight is not None else (None,)
    return min(fan or _FEW for fan in fans) >= _FEW


def shut_by_chance(layer: Layer, m: Measurement) -> bool:
    """Whether a layer beside the way, such as the squeeze of a gate, has so few units that all may be shut by chance.

    Where the samples look alike, each is in one net of two; at once four are in one of sixteen, eight in one of 256.
    """
    return layer.bypassable and m.dead_share == 1.0 and 0 < m.units < _FEW


def can_spare(recording: Recording, lost: Sequence[Layer]) -> bool:
    """Whether training can do without some layers: skips lead around all of them, and others are left to train."""
    names = {layer.name for layer in lost}
    left = [
        layer
        for layer in recording.layers
        if layer.kind in DRAWN and layer.reaches_loss and layer.weight and layer.weight.trainable
    ]
    return all(layer.bypassable for layer in lost) and any(layer.name not in names for layer in left)


# Where a wrong scale shows in training nets without normalization (fitted on nets labelled by training them).
_LOW_OUTPUT, _HIGH_OUTPUT = 2.0**-5, 30.0
_LOW_RATIO, _HIGH_GROWTH = 1 / 200, 50.0
_WIDE_LOGITS = 8.0


def wide_logits(recording: Recording) -> bool:
    """Whether the logits spread more than any healthy net's (5.0 at most on 97 published ones).

    Where a difference to the targets is squared: whether the outputs are as large.
    """
    if recording.loss.logits_std is not None:
        return recording.loss.logits_std > _WIDE_LOGITS
    heads = [m.output for layer, m in measured(recording) if layer.head and m.output is not None and usable(m.output)]
    largest = max((signal.rms for signal in heads), default=0.0)
    squared = recording.loss.kind in ("mse", "l1", "smooth_l1", "huber")
    return squared and largest > _WIDE_LOGITS * max(1.0, input_rms(recording))


# What a network with normalization shows of weights that are far off: it takes the scale away, not all that follows.
_STRAINED_OUTPUT, _STRAINED_GROWTH, _STRAINED_ATTENTION = 100.0, 1e5, 10.0


def strained(recording: Recording) -> bool:
    """Whether a network with normalization shows a symptom that none of 97 healthy ones has."""
    high, growth = largest_output(recording), gradient_growth(recording)
    spreads = [m.attention_std for _, m in measured(recording) if m.attention_std is not None]
    return bool(
        (high and high[1] >= _STRAINED_OUTPUT)
        or (growth and growth[1] > _STRAINED_GROWTH)
        or max(spreads, default=0.0) > _STRAINED_ATTENTION
    )


def _drowns(recording: Recording) -> bool:
    """Whether the trunk starts so large that what normalized branches add to it, about 1 each, is lost in it."""
    if recording.trunk_normalized:  # then the trunk is of their size again
        return False
    scale = max(1.0, input_rms(recording))
    outputs = [m.output for layer, m in measured(recording) if not (layer.bypassable or layer.normed or layer.head)]
    levels = [signal.rms for signal in outputs if signal is not None and usable(signal)]
    return recording.branches > 0 and max(levels, default=0.0) > _HIGH_OUTPUT * scale


def shows(recording: Recording) -> bool:
    """Whether the network shows any symptom of a wrong scale that training would feel."""
    if wide_logits(recording):
        return True
    if recording.normalized:
        return _drowns(recording)
    low, high = smallest_output(recording), largest_output(recording)
    ratio, growth = gradient_ratio(recording), gradient_growth(recording)
    return bool(
        (low and low[1] < _LOW_OUTPUT)
        or (high and high[1] > _HIGH_OUTPUT)
        or (ratio and ratio[1] < _LOW_RATIO)
        or (growth and growth[1] > _HIGH_GROWTH)
        or any(m.output and m.output.non_finite for _, m in measured(recording))
    )

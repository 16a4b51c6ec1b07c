"""Scales of new weights that depend on measurements: queries and keys without a scaled product, tied heads."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from inithealth.evidence.roles import grouped
from inithealth.recording import Layer, Recording, weighted

_SHARPEST = 2.0  # std of attention scores up to which a softmax over the keys is not dominated by one


def sharp_projections(recording: Recording, layers: Iterable[Layer]) -> dict[str, float]:
    """Return stds of queries and keys with which the scores start at a std of 1, where Xavier's would be too sharp.

    The scores are the product of both: that of T5, without a division by sqrt(width), needs smaller weights. Predicted
    from the scores that were measured, for inputs whose scale a normalization sets.
    """
    measured = recording.first
    scored = [
        layer
        for layer, weight in weighted(layers)
        if layer.feeds == "attention" and layer.reads_norm and layer.name in measured and weight.rms > 0
        if (std := measured[layer.name].attention_std) is not None and 0 < std < math.inf
    ]
    found: dict[str, float] = {}
    for pair in grouped(scored, lambda layer: (layer.module.rpartition(".")[0], measured[layer.name].attention_std)):
        ratio = math.prod(_xavier(layer) / layer.weight.rms for layer in pair if layer.weight is not None)
        predicted = (measured[pair[0].name].attention_std or 0.0) * (ratio if len(pair) > 1 else ratio**2)
        if predicted > _SHARPEST:
            found |= {layer.parameter: _xavier(layer) / math.sqrt(predicted) for layer in pair}
    return found


def tied_stds(recording: Recording, layers: Sequence[Layer], tied: Iterable[str]) -> Mapping[str, float]:
    """Return the std of each tied head with which its logits start at a std of 1, for the input that was measured."""
    measured, names = recording.first, set(tied)
    found = {}
    for layer in layers:
        if layer.head and layer.parameter in names:
            signal = measured[layer.name].input if layer.name in measured else None
            # A normalization sets the scale of the input, whatever the weights are; a constant may follow it, as in T5.
            rms = signal.rms if signal is not None and layer.reads_norm and 0 < signal.rms < math.inf else 1.0
            found[layer.parameter] = min(1.0, 1 / (rms * math.sqrt(layer.shape[-1])))
    return found


def _xavier(layer: Layer) -> float:
    """Return the std of Xavier's weights."""
    return math.sqrt(2 / (layer.shape[0] + math.prod(layer.shape[1:]))) if len(layer.shape) > 1 else 1.0

"""Wrong scales of weights without a usual gain: embeddings, normalization weights, first layers of sine networks."""

from __future__ import annotations

import math
from statistics import median
from typing import NamedTuple

from inithealth.evidence import signal_path, symptoms
from inithealth.evidence.limits import Limits, limit
from inithealth.evidence.wording import number
from inithealth.recorded_tensor import std_of
from inithealth.recording import Layer, Recording, Weight

_SAME_SCALE = 1.1  # largest ratio of output and weight for the output to have the scale of its weight


class Deviation(NamedTuple):
    """How far the rms of a weight is from the usual one."""

    octaves: float  # log2 of its rms over the usual one
    tolerated: float  # largest healthy deviation in octaves
    usual: str  # describes the usual rms: "the median of its 8 peers is"
    whole: bool = False  # whether the whole network deviates
    unstable: bool = False  # whether the first optimizer step would change the weights by a large factor
    by_gain: float = math.inf  # for the whole network: log2 of its gain over the one that preserves the signal
    restored: bool = False  # whether the fix restores the usual rms, because this network shows it


class VectorLimits(Limits):
    """How large embeddings and normalization weights may start."""

    max_embedding_rms: float = limit(
        4.0,
        "largest rms of an embedding; torch's default is 1",
        unit="rms",
        above=0.0,
    )
    max_tied_rms: float = limit(
        0.3,
        "largest rms of an embedding that is tied to the head, or a factor of the predictions, which grow with it",
        unit="rms",
        above=0.0,
    )
    max_norm_octaves: float = limit(
        2.0,
        "largest distance of a normalization weight from the others (a factor of 4)",
        unit="octaves (factors of 2)",
    )
    min_norm_median: float = limit(
        0.05,
        "smallest median of the normalization weights, below which they are compared with 1: of 491 healthy networks "
        "one intentionally starts at 0.14; a released library had 0.02 by mistake",
        unit="rms",
    )
    max_norm_median: float = limit(
        8.0,
        "largest median of the normalization weights, above which they are compared with 1",
        unit="rms",
    )
    max_phase_step: float = limit(
        4 * math.pi,
        "largest phase between neighboring samples in the first layer of a sine network: from half a turn (pi) on, its "
        "outputs for neighbors are unrelated. SIREN has 0.5 on a picture, and a few turns on small random batches",
        unit="radians",
        above=0.0,
    )


def embedding_deviations(recording: Recording, limits: VectorLimits) -> dict[str, Deviation]:
    """Return the deviations of embeddings that are too large, by layer name."""
    found = {}
    for layer, weight in recording.weighted:
        if layer.kind == "embedding" and weight.rms > 0:
            tied = bool(weight.tied_to) and symptoms.wide_logits(recording)
            factor = layer.name in symptoms.far_predictions(recording)
            most, usual = (limits.max_tied_rms, 0.02) if tied or factor else (limits.max_embedding_rms, 1.0)
            text = "embeddings tied to the head usually have" if tied else "embeddings usually have"
            text = "embeddings whose product is the prediction usually have" if factor else text
            if weight.rms > most:
                found[layer.name] = Deviation(math.log2(weight.rms / usual), math.log2(most / usual), text)
    return found


def norm_deviations(recording: Recording, limits: VectorLimits) -> dict[str, Deviation]:
    """Return the deviations of normalization weights far from the others, or from 1 if all are; without zeros.

    Both the weight and the output that it scales have to deviate: a vector of C channels with norm 1 has rms
    1 / sqrt(C), so its weight may be 20 for an output of rms 1.
    """
    norms = {layer.name: (layer, w) for layer, w in recording.weighted if layer.kind == "norm" and w.rms > 0}
    if not norms:
        return {}
    weights = {name: weight.rms for name, (_, weight) in norms.items()}
    outputs = {name: _output_rms(layer, weight, recording) for name, (layer, weight) in norms.items()}
    middle, common = _middle(weights, limits), _middle(outputs, limits)
    usual = "normalization weights usually start at"
    if middle == median(weights.values()):
        usual = "the median of the normalization weights is"
    found = {}
    for name, rms in weights.items():
        by_weight, by_output = math.log2(rms / middle), math.log2(outputs[name] / common)
        octaves = min(by_weight, by_output, key=abs) if by_weight * by_output > 0 else 0.0
        if abs(octaves) > limits.max_norm_octaves:
            text = usual
            if octaves != by_weight:
                text = f"its output has rms {number(outputs[name])}, and one of rms {number(common)} needs"
            found[name] = Deviation(octaves, limits.max_norm_octaves, text, restored=True)
    return found


def _middle(sizes: dict[str, float], limits: VectorLimits) -> float:
    """Return the median of these rms; 1 if it is outside the healthy range, so that all of them have a wrong scale."""
    middle = median(sizes.values())
    return middle if limits.min_norm_median <= middle <= limits.max_norm_median else 1.0


def _output_rms(layer: Layer, weight: Weight, recording: Recording) -> float:
    """Return the rms of a norm's output without its bias; that of its weight if it was not measured."""
    m = signal_path.first(recording).get(layer.name)
    if m is None or m.output is None or not signal_path.usable(m.output):
        return weight.rms
    shift = layer.bias.rms if layer.bias is not None else 0.0
    rms = std_of(m.output.rms, shift)
    # A zero input, or a bias larger than the rest, does not show the scale.
    unclear = rms <= shift or 1 / _SAME_SCALE < rms / weight.rms < _SAME_SCALE
    return weight.rms if unclear else rms


def frequency_deviations(recording: Recording, limits: VectorLimits) -> dict[str, Deviation]:
    """Return the deviations of layers whose weights give the network's inputs too high frequencies in a sine."""
    most = math.log2(limits.max_phase_step / math.pi)
    steps = {layer.name: m.phase_step for layer, m in signal_path.measured(recording) if m.phase_step}
    deviations = {name: math.log2(step / math.pi) for name, step in steps.items()}
    text = "neighboring samples differ by half a turn of the sine at"
    return {name: Deviation(octaves, most, text) for name, octaves in deviations.items() if octaves > most}

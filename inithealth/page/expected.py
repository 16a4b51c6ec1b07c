"""What is expected of each layer at the first step: a range of sizes, and how many octaves the layer is outside it.

The range is that in which networks train: common initializations for gains, the limits of the rules for levels. A
network in which nothing was found is healthy whatever its levels are. A gain far outside its range moves all levels
that depend on it: they are symptoms, and outside by as much.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from inithealth.evidence.facts import limits_of
from inithealth.evidence.signal_path import input_rms
from inithealth.evidence.symptoms import FadingLimits, GrowthLimits, OutputLimits
from inithealth.evidence.targets import Targets
from inithealth.evidence.vector_scale import VectorLimits
from inithealth.layer_kinds import MATRICES
from inithealth.page import levels
from inithealth.recording import Layer, Recording
from inithealth.theory.gains import recipe_gains

OCTAVES = 1.0  # half width of the healthy band: within x2 of what is expected
_CARRIED = 2.0  # octaves from which a gain's deviation counts for the levels that depend on it
# Octaves by which gradients of healthy networks with normalization differ from the last layer's: 491 have at most 7e3.
_NORMALIZED = 13.0

Range = tuple[float, float]  # log2 of the smallest and the largest expected size
_ANY: Range = (-math.inf, math.inf)


def outside(level: float, expected: Range) -> float:
    """Return the octaves by which a level is below (negative) or above a range; 0 inside it."""
    return min(0.0, level - expected[0]) + max(0.0, level - expected[1])


@dataclass(frozen=True)
class FirstStep:
    """The deviations of the first step in octaves, by quantity and layer, and the sources of the expected sizes."""

    off: Mapping[str, Mapping[str, float]]
    sources: Mapping[str, str]


def first_step(recording: Recording, found: Mapping[str, Collection[str]]) -> FirstStep:
    """Return the deviations at the first recorded step.

    Args:
        recording: of at least one step.
        found: names of the rules that found something in a layer, by layer name.
    """
    layers = levels.in_order(recording.layers)
    known = {name: levels.levels(recording.steps[0], read) for name, read in levels.READINGS.items()}
    gains, lifted = _gains(recording, layers, known["gain"], found)
    carried = {name: off if abs(off) > _CARRIED else 0.0 for name, off in gains.items() if math.isfinite(off)}
    forward = _off(layers, known["forward"], _forward(recording, layers), _downstream(layers, carried, lifted))
    gradients = _gradient(recording, layers, known["gradient"])
    gradient = _off(layers, known["gradient"], gradients, _upstream(layers, carried))
    return FirstStep({"forward": forward, "gradient": gradient, "gain": gains}, _sources(recording))


def _off(
    layers: Sequence[Layer], known: Mapping[str, float], expected: Sequence[Range], symptoms: Sequence[float]
) -> dict[str, float]:
    """Return by how many octaves each finite level is outside its range, or moved by gains, whichever is further."""
    return {
        layer.name: max(outside(level, limits), symptom, key=abs)
        for layer, limits, symptom in zip(layers, expected, symptoms, strict=True)
        if math.isfinite(level := known.get(layer.name, math.nan))
    }


def _sources(recording: Recording) -> dict[str, str]:
    """Return where the expected levels come from, in words."""
    known = any(signal.sampled for signal in recording.inputs.values())
    source = f"the {'input' if known else 'embedding'}'s rms {input_rms(recording):.2g}"
    return {"forward": source, "gradient": "the last layer's"}


def _gains(
    recording: Recording, layers: Sequence[Layer], known: Mapping[str, float], found: Mapping[str, Collection[str]]
) -> tuple[dict[str, float], dict[str, float]]:
    """Return by how many octaves each gain is off, and by how many its usual bias lifts it.

    It is off from the target, or outside the gains of common initializations.
    """
    targets = Targets(layers, found)
    read = {m.layer: m.input.rms for m in recording.steps[0].layers if m.input is not None}
    off: dict[str, float] = {}
    lifted: dict[str, float] = {}
    for layer in layers:
        level = known.get(layer.name, math.nan)
        if layer.kind not in MATRICES or layer.kind == "rnn" or layer.weight is None or not math.isfinite(level):
            continue
        target = targets.gain(layer)
        usual = [target] if isinstance(target, float) else [g for g in recipe_gains(layer, layer.weight) if g > 0]
        low = min(usual) / (math.sqrt(max(1, recording.branches)) if layer.ends_branch else 1.0)
        bias = _usual_bias(layer) / read[layer.name]
        off[layer.name] = outside(level, (math.log2(low), math.log2(math.hypot(max(usual), bias))))
        lifted[layer.name] = max(0.0, level - math.log2(max(usual)) - off[layer.name])
    return off, lifted


def _usual_bias(layer: Layer) -> float:
    """Return the part of the bias's rms that common initializations have: up to 1 / sqrt(fan_in).

    It is most of the output if the input is nearly zero, whatever the gain of the weights is.
    """
    fan_in = layer.weight.fan_in if layer.weight is not None else None
    return min(layer.bias.rms, 1 / math.sqrt(fan_in)) if layer.bias is not None and fan_in else 0.0


def _downstream(layers: Sequence[Layer], carried: Mapping[str, float], lifted: Mapping[str, float]) -> list[float]:
    """Return for each layer the deviations of the gains from the last normalization, or start of a branch, to it."""
    found, sum_ = [], 0.0
    for layer in layers:
        if layer.kind == "norm" or layer.reads_norm or layer.reads_trunk or layer.reads_input:
            sum_ = 0.0
        if sum_ < 0:  # the bias is most of the output: a small input does not matter as much
            sum_ = min(0.0, sum_ + lifted.get(layer.name, 0.0))
        # Without a gain, as for an input of zeros, nothing upstream matters.
        sum_ = sum_ + carried.get(layer.name, 0.0) if layer.name in carried or layer.kind not in MATRICES else 0.0
        found.append(sum_)
        if layer.normed:
            sum_ = 0.0
    return found


def _upstream(layers: Sequence[Layer], carried: Mapping[str, float]) -> list[float]:
    """Return for each layer the deviations of the gains between its output and the next normalization."""
    found, sum_ = [], 0.0
    for layer in reversed(layers):
        if layer.kind == "norm" or layer.normed or layer.ends_branch or layer.feeds == "residual":
            sum_ = 0.0
        found.append(sum_)
        sum_ += carried.get(layer.name, 0.0)
        if layer.reads_norm or layer.reads_trunk:
            sum_ = 0.0
    return found[::-1]


def _forward(recording: Recording, layers: Sequence[Layer]) -> list[Range]:
    scale = input_rms(recording)
    outputs, fading = limits_of(recording, OutputLimits), limits_of(recording, FadingLimits)
    high = max(1.0, scale) * (outputs.high_rms_normalized if recording.normalized else outputs.high_rms)
    low = min(1.0, scale or 1.0) * fading.low_output
    vectors, uses = VectorLimits(), Counter(weight.name for _, weight in recording.weighted)
    result = []
    for layer in layers:
        if layer.kind == "embedding":
            tied = layer.weight is not None and (bool(layer.weight.tied_to) or uses[layer.weight.name] > 1)
            result.append((-math.inf, math.log2(vectors.max_tied_rms if tied else vectors.max_embedding_rms) - 1.0))
        elif layer.kind == "norm":
            result.append((-vectors.max_norm_octaves, vectors.max_norm_octaves))
        elif recording.normalized or layer.bypassable or not layer.inner:
            result.append((-math.inf, math.log2(high)))
        else:
            result.append((math.log2(low), math.log2(high)))
    return result


def _gradient(recording: Recording, layers: Sequence[Layer], known: Mapping[str, float]) -> list[Range]:
    grown, fading = limits_of(recording, GrowthLimits), limits_of(recording, FadingLimits)
    measured = levels.finite(known.get(layer.name, math.nan) for layer in layers)
    if not measured:
        return [_ANY] * len(layers)
    last = measured[-1]
    high = last + (_NORMALIZED if recording.normalized else math.log2(grown.high_growth))
    low = last + (-_NORMALIZED if recording.normalized else math.log2(fading.low_gradient_ratio))
    # Around a bypassed layer the gradient takes another path; learned scales may start near zero.
    scaled = any(layer.scales for layer in layers)
    return [(-math.inf if layer.bypassable or scaled else low, high) for layer in layers]

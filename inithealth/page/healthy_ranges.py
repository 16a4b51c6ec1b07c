"""The range of sizes of each layer in which networks train, as far as it is known without other steps.

These are the gains of common initializations, and the limits of the rules for levels. Where a rule found something,
its target is the range, so that what was found is shown in full.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from inithealth.evidence.facts import limits_of
from inithealth.evidence.losses import losses_of
from inithealth.evidence.peer_scale import PeerLimits
from inithealth.evidence.signal_path import input_rms
from inithealth.evidence.symptoms import SIZED, FadingLimits, GrowthLimits, OutputLimits, PredictionLimits
from inithealth.evidence.targets import Targets
from inithealth.evidence.vector_scale import VectorLimits
from inithealth.layer_kinds import MATRICES
from inithealth.recording import Layer, Recording, Weight
from inithealth.theory.gains import recipe_gains, sets_frequencies

Range = tuple[float, float]  # log2 of the smallest and the largest healthy size
Found = Mapping[str, Collection[str]]  # names of the rules that found something in a layer, by layer name
UsualGains = Mapping[str, Sequence[float]]  # healthy gains of each matrix, by layer name

# Octaves by which gradients of healthy networks with normalization differ from the last layer's: 491 have at most 7e3.
_NORMALIZED = 13.0


def outside(level: float, healthy: Range) -> float:
    """Return the octaves by which a level is below (negative) or above a range; 0 inside it."""
    return min(0.0, level - healthy[0]) + max(0.0, level - healthy[1])


def healthy_ranges(recording: Recording, found: Found, usual: UsualGains) -> dict[str, dict[str, Range]]:
    """Return the range of each layer by quantity; of gradients, relative to the last layer's.

    A quantity lacks the layers for which no range is known.

    Args:
        recording: of at least one step.
        found: names of the rules that found something in a layer, by layer name.
        usual: as `usual_gains` returns them.
    """
    return {
        "forward": _forward(recording, found),
        "gradient": _gradient(recording),
        "gain": _gain(recording, found, usual),
    }


def smallest(recording: Recording) -> dict[str, float]:
    """Return log2 of the smallest healthy output, and gradient relative to the last, of layers that may not be zero."""
    fading = limits_of(recording, FadingLimits)
    return {
        "forward": math.log2(min(1.0, input_rms(recording) or 1.0) * fading.low_output),
        "gradient": -_NORMALIZED if recording.normalized else math.log2(fading.low_gradient_ratio),
    }


def usual_gains(recording: Recording, found: Found) -> UsualGains:
    """Return the healthy gains of the matrices: of common initializations; where a rule found something, the target."""
    targets = Targets(recording.layers, found)
    known: dict[str, Sequence[float]] = {}
    for layer in recording.layers:
        if layer.kind not in MATRICES or layer.kind == "rnn" or layer.weight is None:
            continue
        target = targets.gain(layer) if layer.name in found else None
        gains = [target] if isinstance(target, float) else [g for g in recipe_gains(layer, layer.weight) if g > 0]
        known[layer.name] = gains
    return known


def _gain(recording: Recording, found: Found, usual: UsualGains) -> dict[str, Range]:
    by_name = {layer.name: layer for layer in recording.layers}
    # In a network in which nothing was found, the color begins at the limit of the rule.
    wider = 0.0 if found else PeerLimits().max_octaves_alone - 1.0
    ranges = {}
    for m in recording.steps[0].layers:
        if m.layer in usual and m.input is not None and m.input.rms > 0:
            layer = by_name[m.layer]
            low, high = _usual_range(layer, m.input.rms, usual[m.layer], recording.branches)
            if m.layer not in found:
                # The scale of a head matters only for the loss. What is added to another signal may start near zero.
                free = not layer.inner or sets_frequencies(layer)
                low = -math.inf if free or layer.bypassable or layer.ends_branch else low - wider
                high = math.inf if free else high + wider
            ranges[m.layer] = (low, high)
    return ranges


def _usual_range(layer: Layer, input_size: float, usual: Sequence[float], branches: int) -> Range:
    low = min(usual) / (math.sqrt(max(1, branches)) if layer.ends_branch else 1.0)
    return math.log2(low), math.log2(math.hypot(max(usual), _usual_bias(layer, layer.weight) / input_size))


def _usual_bias(layer: Layer, weight: Weight | None) -> float:
    """Return the part of the bias's rms that common initializations have: up to 1 / sqrt(fan_in).

    It is most of the output if the input is nearly zero, whatever the gain of the weights is.
    """
    fan_in = weight.fan_in if weight is not None else None
    return min(layer.bias.rms, 1 / math.sqrt(fan_in)) if layer.bias is not None and fan_in else 0.0


def _forward(recording: Recording, found: Found) -> dict[str, Range]:
    outputs, low = limits_of(recording, OutputLimits), smallest(recording)["forward"]
    most = outputs.high_rms_normalized if recording.normalized else outputs.high_rms
    high = math.log2(max(1.0, input_rms(recording)) * most)
    uses = Counter(weight.name for _, weight in recording.weighted)
    predictions = _largest_predictions(recording)
    result = {}
    for layer in recording.layers:
        if layer.kind == "embedding":
            result[layer.name] = _embedding(layer, layer.name in found, uses)
        elif layer.kind == "norm":
            octaves = 0.0 if layer.name in found else VectorLimits().max_norm_octaves
            result[layer.name] = (-octaves, octaves)
        else:
            free = recording.normalized or layer.bypassable or not layer.inner
            result[layer.name] = (-math.inf if free else low, max(high, predictions) if layer.head else high)
    return result


def _largest_predictions(recording: Recording) -> float:
    """Return log2 of the largest healthy predictions, if a loss compares them with targets by size; else -infinity.

    Watching does not measure the targets: predictions of any size may be healthy then.
    """
    far = limits_of(recording, PredictionLimits).far_predictions
    sized = [loss for loss in losses_of(recording) if loss.kind in SIZED]
    return max((math.log2(far * loss.target_rms) if loss.target_rms else math.inf for loss in sized), default=-math.inf)


def _embedding(layer: Layer, is_found: bool, uses: Mapping[str, int]) -> Range:
    """Return a range such that the color begins at the limit of the rule, which may exempt tied embeddings."""
    limits = VectorLimits()
    tied = layer.weight is not None and (bool(layer.weight.tied_to) or uses[layer.weight.name] > 1)
    if is_found and tied:
        return -math.inf, math.log2(limits.max_tied_rms) - 1.0
    return -math.inf, math.log2(limits.max_embedding_rms) - 1.0


def _gradient(recording: Recording) -> dict[str, Range]:
    low = smallest(recording)["gradient"]
    high = _NORMALIZED if recording.normalized else math.log2(limits_of(recording, GrowthLimits).high_growth)
    # Around a bypassed layer the gradient takes another path; learned scales may start near zero.
    scaled = any(layer.scales for layer in recording.layers)
    return {layer.name: (-math.inf if layer.bypassable or scaled else low, high) for layer in recording.layers}

"""How many octaves each layer is outside its healthy range at the first step.

A gain far outside its range moves all levels that depend on it: they are symptoms, and outside by as much.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from inithealth.evidence.signal_path import input_rms
from inithealth.layer_kinds import MATRICES
from inithealth.page import levels
from inithealth.page.healthy_ranges import Found, Range, UsualGains, healthy_ranges, outside, smallest, usual_gains
from inithealth.recording import Layer, Recording

OCTAVES = 1.0  # half width of the healthy band: within x2 of what is expected
_CARRIED = 2.0  # octaves from which a gain's deviation counts for the levels that depend on it


@dataclass(frozen=True)
class FirstStep:
    """The deviations of the first step in octaves and the healthy ranges, by quantity and layer.

    The ranges of gradients are relative to the last layer's. Sources of the expected sizes are in words.
    """

    off: Mapping[str, Mapping[str, float]]
    healthy: Mapping[str, Mapping[str, Range]]
    smallest: Mapping[str, float]  # log2 of the smallest healthy size, by quantity, where the range has no lower end
    sources: Mapping[str, str]


def first_step(recording: Recording, found: Found) -> FirstStep:
    """Return the deviations at the first recorded step.

    Args:
        recording: of at least one step.
        found: names of the rules that found something in a layer, by layer name.
    """
    layers = levels.in_order(recording.layers)
    known = {name: levels.levels(recording.steps[0], read) for name, read in levels.READINGS.items()}
    usual = usual_gains(recording, found)
    ranges = healthy_ranges(recording, found, usual)
    gains = _outside(known["gain"], ranges["gain"])
    carried = {name: off if abs(off) > _CARRIED else 0.0 for name, off in gains.items() if math.isfinite(off)}
    lifted = _lifted(known["gain"], gains, usual)
    last = levels.last_finite(known["gradient"].get(layer.name, math.nan) for layer in layers)
    relative = {name: level - last for name, level in known["gradient"].items()}
    off = {
        "forward": _further(_outside(known["forward"], ranges["forward"]), _downstream(layers, carried, lifted)),
        "gradient": _further(_outside(relative, ranges["gradient"]), _upstream(layers, carried)),
        "gain": gains,
    }
    return FirstStep(off, ranges, smallest(recording), _sources(recording))


def _outside(known: Mapping[str, float], healthy: Mapping[str, Range]) -> dict[str, float]:
    """Return by how many octaves each finite level is outside its range."""
    return {
        name: outside(known[name], limits)
        for name, limits in healthy.items()
        if math.isfinite(known.get(name, math.nan))
    }


def _further(off: Mapping[str, float], symptoms: Mapping[str, float]) -> dict[str, float]:
    """Return by how many octaves each level is outside its range, or moved by gains, whichever is further."""
    return {name: max(octaves, symptoms[name], key=abs) for name, octaves in off.items()}


def _sources(recording: Recording) -> dict[str, str]:
    """Return where the expected levels come from, in words."""
    known = any(signal.sampled for signal in recording.inputs.values())
    source = f"the {'input' if known else 'embedding'}'s rms {input_rms(recording):.2g}"
    return {"forward": source, "gradient": "the last layer's"}


def _lifted(known: Mapping[str, float], off: Mapping[str, float], usual: UsualGains) -> dict[str, float]:
    """Return by how many octaves the usual bias of each layer lifts its gain above that of its weights."""
    return {name: max(0.0, known[name] - math.log2(max(usual[name])) - octaves) for name, octaves in off.items()}


def _downstream(layers: Sequence[Layer], carried: Mapping[str, float], lifted: Mapping[str, float]) -> dict[str, float]:
    """Return for each layer the deviations of the gains from the last normalization, or start of a branch, to it."""
    found, sum_ = {}, 0.0
    for layer in layers:
        if layer.kind == "norm" or layer.reads_norm or layer.reads_trunk or layer.reads_input:
            sum_ = 0.0
        if sum_ < 0:  # the bias is most of the output: a small input does not matter as much
            sum_ = min(0.0, sum_ + lifted.get(layer.name, 0.0))
        # Without a gain, as for an input of zeros, nothing upstream matters.
        sum_ = sum_ + carried.get(layer.name, 0.0) if layer.name in carried or layer.kind not in MATRICES else 0.0
        found[layer.name] = sum_
        if layer.normed:
            sum_ = 0.0
    return found


def _upstream(layers: Sequence[Layer], carried: Mapping[str, float]) -> dict[str, float]:
    """Return for each layer the deviations of the gains between its output and the next normalization."""
    found, sum_ = {}, 0.0
    for layer in reversed(layers):
        if layer.kind == "norm" or layer.normed or layer.ends_branch or layer.feeds == "residual":
            sum_ = 0.0
        found[layer.name] = sum_
        sum_ += carried.get(layer.name, 0.0)
        if layer.reads_norm or layer.reads_trunk:
            sum_ = 0.0
    return found

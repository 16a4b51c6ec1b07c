"""Weights that layers generate, as in hypernetworks: whether their scale preserves the signal, and the fix."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from inithealth.evidence import signal_path
from inithealth.evidence.facts import limits_of
from inithealth.evidence.fix_text import Fix, joined, multiply
from inithealth.evidence.limits import Limits, limit
from inithealth.powers import factor_of
from inithealth.recorded_graph import GeneratedWeight
from inithealth.recording import Layer, Recording
from inithealth.theory.activation_table import BY_NAME
from inithealth.theory.gains import target_gain

_LEAST = 0.5  # octaves from the target gain below which a layer is not named
_ALIKE = 1.0  # octaves by which the weights of one layer may differ for one factor to fix them all
_MOST_FROM_LAYER = 0.5  # share of a weight's rms that has to come from the layer if another weight is added to it


class GeneratedLimits(Limits):
    """How far generated weights may scale the signal."""

    max_generated_octaves: float = limit(
        3.0,
        "largest amplification of a signal by weights that layers generate: hypernetworks with 2 trained, those with 4 "
        "trained slowly (losses of 1.2 to 1.8 after 250 steps instead of 0.3 to 0.5)",
        unit="octaves (factors of 2)",
    )
    error_generated_octaves: float = limit(
        5.0,
        "amplification by generated weights beyond which it is an error: hypernetworks with 6 and more did not train",
        unit="octaves (factors of 2)",
    )
    max_generated_octaves_lost: float = limit(
        10.0,
        "largest reduction of a signal by generated weights: hypernetworks with 6 trained (losses of 0.7 with SGD and "
        "0.3 with Adam after 250 steps), those with 9 more slowly with SGD (1.3) but well with Adam (0.5)",
        unit="octaves (factors of 2)",
    )
    error_generated_octaves_lost: float = limit(
        13.0,
        "reduction by generated weights beyond which it is an error, unless the optimizer is adaptive: hypernetworks "
        "with 15 did not train with SGD (2.1 of 2.3), and slowly with Adam (1.3)",
        unit="octaves (factors of 2)",
    )


class Generator(NamedTuple):
    """A layer, the weight that it generates, and how far that is from the target gain."""

    layer: Layer
    weight: GeneratedWeight
    octaves: float

    @property
    def gain(self) -> float:
        """The gain of the generated weight."""
        return self.weight.rms * math.sqrt(self.weight.fan_in)

    @property
    def expected_gain(self) -> float:
        """The gain that preserves the signal through the activation after the product."""
        return self.gain / factor_of(self.octaves)

    @property
    def expected(self) -> float:
        """The rms that the generated weight is expected to have."""
        return self.weight.rms / factor_of(self.octaves)


class Scaled(NamedTuple):
    """By how much generated weights scale a signal in total, and those in that direction, the farthest first."""

    octaves: float
    generators: tuple[Generator, ...]  # those far enough to be named
    rest: tuple[Generator, ...]  # in the same direction


def scaled(recording: Recording, sign: int) -> Scaled | None:
    """Return the path of generated weights that scales the signal most, up (1) or down (-1); None without one."""
    every = [_generator(recording, weight) for weight in recording.generated]
    paths: list[list[Generator]] = []
    for weight, generator in zip(recording.generated, every, strict=True):
        before = [] if weight.upstream is None else paths[weight.upstream]
        paths.append([*before, *([generator] if generator is not None else [])])
    found = max(paths, key=lambda path: sign * _total(path), default=[])
    ordered = sorted(found, key=lambda each: -round(abs(each.octaves), 1))
    named = tuple(each for each in ordered if each.octaves * sign > _LEAST)
    rest = tuple(each for each in ordered if 0 < each.octaves * sign <= _LEAST)
    return Scaled(_total(found), named, rest) if named else None


def _total(path: Sequence[Generator]) -> float:
    return sum(each.octaves for each in path)


def _generator(recording: Recording, weight: GeneratedWeight) -> Generator | None:
    """Return a generated weight with its deviation; None if its scale does not matter or the layer does not set it."""
    layer = next((each for each in recording.layers if each.name == weight.layer), None)
    fewest = limits_of(recording, signal_path.LevelLimits).min_fan
    if layer is None or weight.normed or min(weight.fan_in, weight.fan_out) < fewest or not weight.rms > 0:
        return None
    row = BY_NAME.get(weight.activation or "")
    if not math.isfinite(weight.rms) or (row is not None and row.periodic):  # a sine has frequencies of any scale
        return None
    after = {"activation": weight.activation, "activation_parameters": weight.activation_parameters}
    gain = target_gain(layer.model_copy(update={**after, "multiplied": weight.multiplied}))
    octaves = math.log2(weight.rms * math.sqrt(weight.fan_in) / gain)
    if octaves < 0 and (weight.last or weight.bypassed or not weight.plain):
        return None  # small predictions are healthy, and so are small changes of another signal or weight
    return Generator(layer, weight, octaves) if weight.plain or _dominates(recording, weight) else None


def _dominates(recording: Recording, weight: GeneratedWeight) -> bool:
    """Whether most of a weight comes from the layer, not from another weight that is added to its output."""
    measured = signal_path.first(recording).get(weight.layer)
    output = None if measured is None else measured.output
    return signal_path.usable(output) and output is not None and output.rms > _MOST_FROM_LAYER * weight.rms


def fix(found: Scaled) -> str:
    """Return code that scales the weight and the bias of each layer; advice if its weights need several factors.

    The layers that are not named are scaled too: all of them then have one initialization.
    """
    scaled: list[Fix] = []
    generators = (*found.generators, *found.rest)
    for layer in {each.layer.name: each.layer for each in generators}.values():
        octaves = [each.octaves for each in generators if each.layer.name == layer.name]
        if layer.weight is None or max(octaves) - min(octaves) > _ALIKE:
            return "initialize the layers such that each generated weight has a std of gain / sqrt(fan_in)"
        factor = factor_of(-sum(octaves) / len(octaves))
        names = [each.name for each in (layer.weight, layer.bias) if each is not None]
        scaled += [Fix.of([multiply(name, factor)]) for name in names]
    return joined(*scaled)

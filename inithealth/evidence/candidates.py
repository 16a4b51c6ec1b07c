"""Other fixes for weights, to be tried if the fix of a finding does not clear it.

References:
    0.02, and 0.02 / sqrt(branches) at the end of branches: GPT-2, Radford et al. 2019, section 2.3.
    Uniform with the bound 1 / sqrt(fan_in): PyTorch's own layers.
    Rescaling by what a batch shows: LSUV, Mishkin and Matas 2016, https://arxiv.org/abs/1511.06422
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from inithealth.evidence import fixes
from inithealth.evidence.fix_text import Fix, initialize
from inithealth.evidence.targets import Targets
from inithealth.layer_kinds import MATRICES
from inithealth.operations import Operation
from inithealth.recording import Layer, Measurement, Weight, weighted
from inithealth.theory.gains import target_gain

_GPT2_STD = 0.02


class Candidate(NamedTuple):
    """A fix to try, and its description."""

    name: str
    fix: Fix


class Measured(NamedTuple):
    """What a report says about a network, and which rules found something in each layer."""

    layers: Sequence[Layer]
    measurements: Mapping[str, Measurement]
    found: Mapping[str, Collection[str]]

    @property
    def branches(self) -> int:
        return sum(layer.ends_branch for layer in self.layers)


def alternatives(operations: Sequence[Operation], measured: Measured) -> list[Candidate]:
    """Return other fixes for the same weights, the most common first. What else the operations change stays."""
    named = {operation.parameter for operation in operations}
    targets = [layer for layer, weight in weighted(measured.layers) if weight.name in named]
    if not targets:
        return []
    weights = {layer.parameter for layer in targets}
    others = Fix.of(operation for operation in operations if operation.parameter not in weights)
    found = [
        ("the scale of its peers", _as_peers(targets, measured)),
        ("the gain of its activation", fixes.with_branches(targets, measured.branches)),
        ("a common scheme", _by_scheme(targets, measured)),
        ("rescaling by the measured gain, as LSUV does", _rescaled(targets, measured)),
    ]
    fixed = [Candidate(name, fixes.joined(fix, others)) for name, fix in found if fix]
    return [each for each in fixed if each.fix.operations]


def _as_peers(targets: Sequence[Layer], measured: Measured) -> Fix | None:
    """Draw each weight with the median scale of the layers of its role that have no finding."""
    sizes = Targets(measured.layers, measured.found)
    expected = {layer.name: size for layer in targets if (size := sizes.of_peers(layer))}
    return fixes.each(targets, expected=expected) if expected else None


def _by_scheme(targets: Sequence[Layer], measured: Measured) -> Fix | None:
    """Draw matrices as GPT-2 does in a residual network, and as PyTorch's layers do in others."""
    matrices = [(layer, weight) for layer, weight in weighted(targets) if layer.kind in MATRICES and weight.fan_in]
    if len(matrices) < len(targets):
        return None
    return Fix.of(_drawn(layer, weight, measured.branches) for layer, weight in matrices)


def _drawn(layer: Layer, weight: Weight, branches: int) -> Operation:
    if branches > 1:
        return initialize(weight.name, "normal", _GPT2_STD / (math.sqrt(branches) if layer.ends_branch else 1.0))
    bound = 1 / math.sqrt(weight.fan_in or 1)
    return initialize(weight.name, "uniform", -bound, bound)


def _rescaled(targets: Sequence[Layer], measured: Measured) -> Fix | None:
    """Multiply each weight such that the layer has the expected gain on this batch; None if a gain is not measured."""
    factors = []
    for layer in targets:
        measurement = measured.measurements.get(layer.name)
        gain = _gain(measurement) if measurement is not None else 0.0
        if layer.kind not in MATRICES or not 0.0 < gain < math.inf:
            return None
        scale = max(1, measured.branches) ** -0.5 if layer.ends_branch else 1.0
        factors.append(scale * target_gain(layer) / gain)
    return fixes.scale(targets, factors)


def _gain(measurement: Measurement) -> float:
    """Return the rms of the output over that of the input; 0 if it is not known."""
    output, given = measurement.output, measurement.input
    return output.rms / given.rms if output is not None and given is not None and given.rms > 0 else 0.0

"""The residual stream: its scale at the input of each branch, and the scale of what each branch adds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from inithealth.evidence import signal_path
from inithealth.powers import squared
from inithealth.recording import Layer, Measurement, Recording


@dataclass(frozen=True)
class Branch:
    """A residual branch: its layers in forward order."""

    layers: tuple[Layer, ...]
    level: float  # rms of the residual stream at the input of the branch
    added: float  # rms of the branch's output

    @property
    def end(self) -> Layer:
        return self.layers[-1]

    @property
    def normed(self) -> bool:
        """Whether a normalization makes the branch's output independent of the scale of the residual stream."""
        return any(layer.kind == "norm" or layer.normed or layer.reads_norm for layer in self.layers)

    @property
    def growth(self) -> float:
        """Growth of the residual stream where the branch is added, assuming that the two are uncorrelated."""
        return math.hypot(self.level, self.added) / self.level


def branches(recording: Recording) -> list[Branch]:
    """Return the residual branches whose input and output were measured, in forward order."""
    found: list[Branch] = []
    inside: list[Layer] = []
    first, sizes = recording.first, _scale_sizes(recording)
    for layer in sorted(recording.layers, key=lambda layer: layer.index):
        inside.append(layer)
        if not layer.ends_branch or layer.kind == "norm":
            continue
        readers = [(each, first[each.name]) for each in inside if each.reads_trunk and each.name in first]
        level = next((size for reader, m in readers if (size := _read(reader, m)) > 0), None)
        output = first[layer.name].output if layer.name in first else None
        if level is not None and output is not None and signal_path.usable(output):
            start = next(place for place, each in enumerate(inside) if each.reads_trunk)
            scaled = math.prod(sizes.get(name, 1.0) for name in layer.scales)
            found.append(Branch(tuple(inside[start:]), level, output.rms * scaled))
        inside = []
    return found


def growth(found: Sequence[Branch]) -> float:
    """Return the growth of the residual stream that the branches cause: the smaller of two estimates.

    The stream may also grow for other reasons (a second embedding, layers outside the branches), and a branch may add
    less than the output of its last layer (a constant factor).
    """
    if not found:
        return 1.0
    by_level = max(branch.level for branch in found) / found[0].level * found[-1].growth
    return min(by_level, growth_without_norms(found))


def growth_without_norms(found: Sequence[Branch]) -> float:
    """Return the growth that the branches would cause if the stream was not normalized: the product of theirs.

    Its inverse is the share of the stream's input that is left after the last branch.
    """
    return math.exp(min(sum(math.log(branch.growth) for branch in found), 600.0))


def growth_if_scaled(grown: float, amount: int) -> float:
    """Return what a growth would be if each of the equal branches were divided by the square root of their number."""
    return math.sqrt(1.0 + (squared(grown) - 1.0) / max(1, amount))


def _read(layer: Layer, m: Measurement) -> float:
    """Return the rms of a layer's input; 0 if it was not measured."""
    if m.input is not None and signal_path.usable(m.input):
        return m.input.rms
    # The scale may be the gain of a normalization that is not a module.
    if layer.kind == "scale" and layer.weight is not None and layer.weight.rms > 0 and m.output is not None:
        return m.output.rms / layer.weight.rms if signal_path.usable(m.output) else 0.0
    return 0.0


def _scale_sizes(recording: Recording) -> dict[str, float]:
    """Return the rms of each learned scale, by the name of the layer and of the parameter."""
    return {name: weight.rms for layer, weight in recording.weighted for name in (layer.name, weight.name)}

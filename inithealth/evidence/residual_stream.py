"""The residual trunk: how large it is where each branch reads it, and what each branch adds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from inithealth.evidence import signal_path
from inithealth.recording import Layer, Measurement, Recording


@dataclass(frozen=True)
class Branch:
    """One residual branch: its layers in forward order, the last of which ends it."""

    layers: tuple[Layer, ...]
    level: float  # rms of the trunk where the branch reads it
    added: float  # rms of what it adds

    @property
    def end(self) -> Layer:
        return self.layers[-1]

    @property
    def normed(self) -> bool:
        """Whether a norm within the branch makes what it adds independent of the trunk's size."""
        return any(layer.kind == "norm" or layer.normed or layer.reads_norm for layer in self.layers)

    @property
    def growth(self) -> float:
        """By how much the trunk grows where the branch joins it: two signals that know nothing of each other."""
        return math.hypot(self.level, self.added) / self.level


def branches(recording: Recording) -> list[Branch]:
    """The residual branches whose levels were measured, in forward order."""
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
    """How much larger the trunk is behind the branches than before, by the branches' doing.

    The trunk may be larger for other reasons (a second embedding, layers of its own), or what a branch adds
    smaller than what its last layer puts out (a constant factor): the lesser of both readings is taken.
    """
    if not found:
        return 1.0
    levelled = max(branch.level for branch in found) / found[0].level * found[-1].growth
    added = math.exp(min(sum(math.log(branch.growth) for branch in found), 600.0))
    return min(levelled, added)


def growth_if_scaled(grown: float, amount: int) -> float:
    """What a growth by so many branches that add alike would be, were each smaller by the root of their number."""
    return math.sqrt(1.0 + (grown**2 - 1.0) / max(1, amount))


def _read(layer: Layer, m: Measurement) -> float:
    """rms of what a layer reads; 0 where it was not measured."""
    if m.input is not None and signal_path.usable(m.input):
        return m.input.rms
    if layer.kind == "scale" and layer.weight is not None and layer.weight.rms > 0 and m.output is not None:
        return (
            m.output.rms / layer.weight.rms if signal_path.usable(m.output) else 0.0
        )  # the gain of a norm written by hand
    return 0.0


def _scale_sizes(recording: Recording) -> dict[str, float]:
    """rms of each learned scale, by the layer's and by the parameter's name."""
    return {name: weight.rms for layer, weight in recording.weighted for name in (layer.name, weight.name)}

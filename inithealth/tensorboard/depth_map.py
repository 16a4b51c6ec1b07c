"""Layer x step as a table of ratios, with no more rows and columns than a picture can show."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from inithealth.recording import Layer, Recording, Step
from inithealth.tensorboard.expected import FORWARD, GRADIENT, Quantity, sleepers
from inithealth.tensorboard.log2_levels import Level, levels_of, measured_layers

MOST_ROWS = 60  # above, one row stands for several layers
FEWEST_BLOCKS = 20  # fewer blocks of a common name hide more than equal shares of the layers do
MOST_COLUMNS = 200
WAKES_BY = 2  # step at which every legitimate zero-init has come alive


@dataclass(frozen=True)
class DepthMap:
    """log2(measured / wanted) by row (the input's side first) and step; see `levels` for NaN, -inf and None."""

    quantity: str  # "forward" or "gradient"
    reference: str  # what is wanted, in words
    rows: tuple[str, ...]  # labels: a layer, a block of layers, or the culprit among several
    layers_per_row: int  # most layers that one row stands for
    steps: tuple[int, ...]  # first step of each column
    cells: tuple[tuple[Level, ...], ...]
    marked: frozenset[int]  # rows with a layer that is to blame


def depth_map(recording: Recording, quantity: Quantity, causes: Collection[str] = ()) -> DepthMap:
    """The map of one quantity; ``causes`` are the modules or layers that findings name as causes.

    Above `MOST_ROWS` layers, and above `MOST_COLUMNS` steps, a cell shows the worst of what it stands for.
    """
    layers = measured_layers(recording)
    columns = [_column(recording, step, quantity, layers) for step in recording.steps]
    blocks = _blocks([layer.name for layer in layers])
    stretches = _shares(range(len(columns)), MOST_COLUMNS)
    guilty = [layer.name in causes or layer.module in causes for layer in layers]
    culprits = [next((layers[at].name for at in block if guilty[at]), None) for _, block in blocks]
    return DepthMap(
        quantity=quantity.name,
        reference=_in_words(recording, quantity),
        rows=tuple(culprit or label for culprit, (label, _) in zip(culprits, blocks, strict=True)),
        layers_per_row=max((len(block) for _, block in blocks), default=1),
        steps=tuple(recording.steps[stretch[0]].index for stretch in stretches),
        cells=tuple(
            tuple(worst(columns[step][layer] for step in stretch for layer in block) for stretch in stretches)
            for _, block in blocks
        ),
        marked=frozenset(row for row, culprit in enumerate(culprits) if culprit),
    )


def _in_words(recording: Recording, quantity: Quantity) -> str:
    if not recording.steps:
        return "nothing"
    reference = quantity.reference(recording, recording.steps[0])
    levels = set(reference.levels.values())
    # One number for the whole map is worth showing: grey around an rms of 200 is no good news.
    return (
        f"{reference.source} {2.0 ** levels.pop():.2g}"
        if quantity is FORWARD and len(levels) == 1
        else reference.source
    )


def worst(ratios: Iterable[Level]) -> Level:
    """What is furthest from wanted: NaN before any number, None only where nothing was measured."""
    measured = [ratio for ratio in ratios if ratio is not None]
    # Infinity is an exact zero: only what is not finite is worse.
    return max(measured, key=lambda ratio: (math.isnan(ratio), abs(ratio)), default=None)


def _column(recording: Recording, step: Step, quantity: Quantity, layers: Sequence[Layer]) -> list[Level]:
    wanted = quantity.reference(recording, step).levels
    levels = levels_of(step, quantity.level)
    asleep = sleepers(recording, quantity.level) if step.index < WAKES_BY else frozenset()

    def ratio(layer: Layer) -> Level:
        level = levels.get(layer.name)
        if level == -math.inf and (layer.name in asleep or (layer.exempt_zero_gradient and quantity is GRADIENT)):
            return None
        # A zero or a NaN is what it is even where there is nothing to compare it with.
        if level is None or not math.isfinite(level):
            return level
        return level - wanted[layer.name] if layer.name in wanted else None

    return [ratio(layer) for layer in layers]


def _blocks(names: Sequence[str]) -> list[tuple[str, Sequence[int]]]:
    """Label and layers (by number) of each row: single layers, or blocks by name, or equal shares."""
    if len(names) <= MOST_ROWS:
        return [(name, [number]) for number, name in enumerate(names)]
    for depth in range(max(name.count(".") for name in names), 0, -1):
        prefixes = [".".join(name.split(".")[:depth]) for name in names]
        groups = [(key, list(run)) for key, run in itertools.groupby(range(len(names)), key=prefixes.__getitem__)]
        if FEWEST_BLOCKS <= len(groups) <= MOST_ROWS:
            return [(key, run) for key, run in groups]
    shares = _shares(range(len(names)), MOST_ROWS)
    # The first and the last label name the network's two ends.
    return [(names[share[-1 if share is shares[-1] else 0]], share) for share in shares]


def _shares(items: Sequence[int], most: int) -> list[Sequence[int]]:
    """The items in order, in at most that many shares of equal size."""
    size = max(1, math.ceil(len(items) / most))
    return [items[start : start + size] for start in range(0, len(items), size)]

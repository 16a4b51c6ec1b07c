"""A table of ratios, layers x steps, with no more rows and columns than a picture can show."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from inithealth.recording import Layer, Recording, Step
from inithealth.tensorboard.expected import FORWARD, GRADIENT, Quantity, zero_starts
from inithealth.tensorboard.log2_levels import Level, levels_of, measured_layers

MOST_ROWS = 60  # with more layers, one row shows several of them
FEWEST_BLOCKS = 20  # with fewer blocks of a common name, rows of equal numbers of layers show more
MOST_COLUMNS = 200
ZERO_UNTIL = 2  # step at which every intentional zero start is non-zero


@dataclass(frozen=True)
class DepthMap:
    """log2(measured / expected) by row (input first) and step; see `log2_levels` for NaN, -inf and None."""

    quantity: str  # "forward" or "gradient"
    reference: str  # description of the expected level
    rows: tuple[str, ...]  # labels: a layer, a block of layers, or the root-cause layer in it
    layers_per_row: int  # largest number of layers in a row
    steps: tuple[int, ...]  # first step of each column
    cells: tuple[tuple[Level, ...], ...]
    marked: frozenset[int]  # rows with a root-cause layer


def depth_map(recording: Recording, quantity: Quantity, causes: Collection[str] = ()) -> DepthMap:
    """Return the map of one quantity; ``causes`` are the root-cause modules or layers of findings.

    With more than `MOST_ROWS` layers or `MOST_COLUMNS` steps, a cell shows the worst ratio of several.
    """
    layers = measured_layers(recording)
    columns = [_column(recording, step, quantity, layers) for step in recording.steps]
    blocks = _blocks([layer.name for layer in layers])
    stretches = _shares(range(len(columns)), MOST_COLUMNS)
    is_cause = [layer.name in causes or layer.module in causes for layer in layers]
    root_causes = [next((layers[at].name for at in block if is_cause[at]), None) for _, block in blocks]
    return DepthMap(
        quantity=quantity.name,
        reference=_in_words(recording, quantity),
        rows=tuple(cause or label for cause, (label, _) in zip(root_causes, blocks, strict=True)),
        layers_per_row=max((len(block) for _, block in blocks), default=1),
        steps=tuple(recording.steps[stretch[0]].index for stretch in stretches),
        cells=tuple(
            tuple(worst(columns[step][layer] for step in stretch for layer in block) for stretch in stretches)
            for _, block in blocks
        ),
        marked=frozenset(row for row, cause in enumerate(root_causes) if cause),
    )


def _in_words(recording: Recording, quantity: Quantity) -> str:
    if not recording.steps:
        return "nothing"
    reference = quantity.reference(recording, recording.steps[0])
    levels = set(reference.levels.values())
    # A single reference level is shown: gray does not mean healthy if it is an rms of 200.
    return (
        f"{reference.source} {2.0 ** levels.pop():.2g}"
        if quantity is FORWARD and len(levels) == 1
        else reference.source
    )


def worst(ratios: Iterable[Level]) -> Level:
    """Return the ratio furthest from the expected one: NaN if there is any, None only if nothing was measured."""
    measured = [ratio for ratio in ratios if ratio is not None]
    # -inf is an exact zero: only NaN is worse.
    return max(measured, key=lambda ratio: (math.isnan(ratio), abs(ratio)), default=None)


def _column(recording: Recording, step: Step, quantity: Quantity, layers: Sequence[Layer]) -> list[Level]:
    expected = quantity.reference(recording, step).levels
    levels = levels_of(step, quantity.level)
    zero = zero_starts(recording, quantity.level) if step.index < ZERO_UNTIL else frozenset()

    def ratio(layer: Layer) -> Level:
        level = levels.get(layer.name)
        if level == -math.inf and (layer.name in zero or (layer.exempt_zero_gradient and quantity is GRADIENT)):
            return None
        # A zero or a NaN is shown even without an expected level.
        if level is None or not math.isfinite(level):
            return level
        return level - expected[layer.name] if layer.name in expected else None

    return [ratio(layer) for layer in layers]


def _blocks(names: Sequence[str]) -> list[tuple[str, Sequence[int]]]:
    """Return label and layer indices of each row: single layers, blocks by name, or equal shares."""
    if len(names) <= MOST_ROWS:
        return [(name, [number]) for number, name in enumerate(names)]
    for depth in range(max(name.count(".") for name in names), 0, -1):
        prefixes = [".".join(name.split(".")[:depth]) for name in names]
        groups = [(key, list(run)) for key, run in itertools.groupby(range(len(names)), key=prefixes.__getitem__)]
        if FEWEST_BLOCKS <= len(groups) <= MOST_ROWS:
            return [(key, run) for key, run in groups]
    shares = _shares(range(len(names)), MOST_ROWS)
    # The first and the last label are the first and the last layer.
    return [(names[share[-1 if share is shares[-1] else 0]], share) for share in shares]


def _shares(items: Sequence[int], most: int) -> list[Sequence[int]]:
    """Return the items in order, in at most ``most`` shares of equal size."""
    size = max(1, math.ceil(len(items) / most))
    return [items[start : start + size] for start in range(0, len(items), size)]

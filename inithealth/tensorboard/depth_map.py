"""A table of ratios, layers x steps, with no more rows and columns than a picture can show."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from inithealth.page.deviations import Deviations
from inithealth.recording import Recording
from inithealth.tensorboard.colors import Level

MOST_ROWS = 60  # with more layers, one row shows several of them
FEWEST_BLOCKS = 20  # with fewer blocks of a common name, rows of equal numbers of layers show more
MOST_COLUMNS = 200


@dataclass(frozen=True)
class DepthMap:
    """Octaves from what is expected by row (input first) and step; see `Level` for NaN, -inf and None."""

    quantity: str  # "forward" or "gradient"
    reference: str  # description of the expected level
    rows: tuple[str, ...]  # labels: a layer, a block of layers, or the root-cause layer in it
    layers_per_row: int  # largest number of layers in a row
    steps: tuple[int, ...]  # first step of each column
    cells: tuple[tuple[Level, ...], ...]
    marked: frozenset[int]  # rows with a root-cause layer


def depth_map(
    recording: Recording, quantity: str, found: Mapping[str, Collection[str]], causes: Collection[str] = ()
) -> DepthMap:
    """Return the map of "forward" or "gradient".

    With more than `MOST_ROWS` layers or `MOST_COLUMNS` steps, a cell shows the worst ratio of several.

    Args:
        recording: with the steps of the map.
        found: names of the rules that found something in a layer, by layer name.
        causes: the root-cause modules or layers of findings.
    """
    if not recording.steps:
        return DepthMap(quantity, "nothing", (), 1, (), (), frozenset())
    deviations = Deviations(recording, found)
    measured = {m.layer for step in recording.steps for m in step.layers}
    places = [place for place, layer in enumerate(deviations.layers) if layer.name in measured]
    layers = [deviations.layers[place] for place in places]
    values = [deviations.values(step)[f"{quantity}_off"] for step in recording.steps]
    columns = [[_level(column[place]) for place in places] for column in values]
    blocks = _blocks([layer.name for layer in layers])
    stretches = _shares(range(len(columns)), MOST_COLUMNS)
    is_cause = [layer.name in causes or layer.module in causes for layer in layers]
    root_causes = [next((layers[at].name for at in block if is_cause[at]), None) for _, block in blocks]
    return DepthMap(
        quantity=quantity,
        reference=deviations.sources[quantity],
        rows=tuple(cause or label for cause, (label, _) in zip(root_causes, blocks, strict=True)),
        layers_per_row=max((len(block) for _, block in blocks), default=1),
        steps=tuple(recording.steps[stretch[0]].index for stretch in stretches),
        cells=tuple(
            tuple(worst(columns[step][layer] for step in stretch for layer in block) for stretch in stretches)
            for _, block in blocks
        ),
        marked=frozenset(row for row, cause in enumerate(root_causes) if cause),
    )


def _level(off: float) -> Level:
    """Return a value of `Deviations` as a level."""
    return None if math.isnan(off) else math.nan if off == math.inf else off


def worst(ratios: Iterable[Level]) -> Level:
    """Return the ratio furthest from the expected one: NaN if there is any, None only if nothing was measured."""
    measured = [ratio for ratio in ratios if ratio is not None]
    # -inf is an exact zero: only NaN is worse.
    return max(measured, key=lambda ratio: (math.isnan(ratio), abs(ratio)), default=None)


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

"""What a row of the layer table is called: the name of its layer, or what the names of its layers share."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from inithealth.layer_names import NumberedName, differing, split_numbers
from inithealth.recording import Layer

_MOST_LISTED = 24  # characters of a list of numbers in a name, such as {0-2,4}: longer ones become *


def called(layer: Layer) -> str:
    """The layer's name; that of the parameter for what a module holds beside its layers, such as positions."""
    return layer.weight.name if layer.weight is not None and layer.kind in ("scale", "other") else layer.name


def row_name(layers: Sequence[Layer], alike: Mapping[str, Sequence[NumberedName]]) -> str:
    """Return what a row is called; ``alike``: the names of all layers of the network, by pattern."""
    names = [called(layer) for layer in layers]
    if len(names) == 1:
        return names[0]
    amount = f" ({len(names)})"
    split = [split_numbers(name) for name in names]
    if len({name.texts for name in split}) == 1:
        return _starred(split, alike[split[0].pattern]) + amount
    for tails in ({tail(name) for name in names}, {split_numbers(tail(name)).pattern for name in names}):
        if len(tails) == 1 and tails != {""}:
            return f"*.{tails.pop()}{amount}"
    return f"{layers[0].kind} layers{amount}"


def tail(name: str) -> str:
    """The end of the name from its last word on: ``emb.1`` of ``down.2.emb.1``."""
    end = re.search(r"[^.]*(\.\d+)*$", name)
    return end[0] if end else name


def _starred(names: Sequence[NumberedName], alike: Sequence[NumberedName]) -> str:
    """The names as one, with ``*`` or a list for the numbers that vary.

    Args:
        names: that differ in numbers alone.
        alike: those, and others that also do: if ``*`` stands for some of these too, a list says which are meant.
    """
    varying = differing([name.numbers for name in names])
    numbers = _masked(names[0], varying)
    meant = sum(_masked(name, varying) == numbers for name in alike)
    if len(varying) == 1 and meant > len(names):
        listed = _ranges({int(name.numbers[varying[0]]) for name in names})
        numbers[varying[0]] = f"{{{listed}}}" if len(listed) <= _MOST_LISTED else "*"
    return names[0].filled(numbers)


def _masked(name: NumberedName, places: Collection[int]) -> list[str]:
    return ["*" if place in places else number for place, number in enumerate(name.numbers)]


def _ranges(numbers: Iterable[int]) -> str:
    """``0-2,4``."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)

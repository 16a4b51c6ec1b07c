"""The name of a row in the layer table: its layer's name, or the common part of its layers' names."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from inithealth.layer_names import NumberedName, differing, split_numbers
from inithealth.recording import Layer

_MOST_LISTED = 24  # characters of a list of numbers in a name, such as {0-2,4}; a longer list becomes *


def called(layer: Layer) -> str:
    """Return the layer's name, or the parameter's if a module owns it next to its layers, such as positions."""
    return layer.weight.name if layer.weight is not None and layer.kind in ("scale", "other") else layer.name


def row_name(layers: Sequence[Layer], alike: Mapping[str, Sequence[NumberedName]]) -> str:
    """Return the name of a row. ``alike`` has the names of all layers of the network, by pattern."""
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
    """Return the end of the name from its last word on: ``emb.1`` for ``down.2.emb.1``."""
    end = re.search(r"[^.]*(\.\d+)*$", name)
    return end[0] if end else name


def _starred(names: Sequence[NumberedName], alike: Sequence[NumberedName]) -> str:
    """Return one name, with ``*`` or a list in place of the numbers that vary.

    Args:
        names: names that differ only in numbers.
        alike: these names, and others with the same pattern: if ``*`` would match others, a list is used instead.
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
    """Return ``0-2,4``."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)

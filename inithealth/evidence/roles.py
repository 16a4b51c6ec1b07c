"""Layers that play one part in a network: what their authors initialize alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable

from inithealth.recording import Layer


def place(layer: Layer) -> Hashable:
    """The same for layers that repeat each other in a list of modules: name but for the places in lists, and shape."""
    parts = [part for part in layer.name.split(".") if not part.isdigit()]
    return layer.type_name, tuple(parts), layer.weight.shape if layer.weight is not None else ()


def grouped(layers: Iterable[Layer], key: Callable[[Layer], Hashable]) -> list[list[Layer]]:
    """Layers with equal keys together, in the order of their first."""
    groups: dict[Hashable, list[Layer]] = defaultdict(list)
    for layer in layers:
        groups[key(layer)].append(layer)
    return list(groups.values())

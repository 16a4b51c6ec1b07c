"""Which units of an activation are dead and how much of it is saturated, from what its node saved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from inithealth.record.graph import vocabulary as vocab
from inithealth.record.graph.graph import Graph
from inithealth.record.graph.operations import Operation
from inithealth.theory.activation_table import BY_NAME, bounds_of, by_node

_MOST_STEPS = 6  # nodes between a rate and its exponential: a factor, a sign, views
_MOST_UNITS = 128  # units that stand for a layer in a live step


@dataclass(frozen=True)
class Activity:
    """One activation, still on the device."""

    highest: Tensor | None  # [units], how far each has opened at most: dead where that is 0 or less
    saturated: Tensor | None  # share of elements
    units: int
    samples: int


def of_node(graph: Graph, node: int, name: str, fed_by: Iterable[Operation], most: int | None) -> Activity | None:
    """The activity of an activation node; None for kinds that neither die nor saturate, or whose tensors are gone.

    Args:
        most: elements read; None for all.
    """
    if name == "softplus":
        node, name = decay(graph, node) or node, "exp"
    row = BY_NAME.get(name)
    decays = name == "exp" and graph.names[node] == "Exp"
    if not decays and (row is None or (row.flat is None and not row.dies)):
        return None
    values = graph.saved(node, "result")
    values = values if isinstance(values, Tensor) else graph.saved(node, "self")
    if not isinstance(values, Tensor) or values.numel() == 0 or values.ndim == 0:
        return None
    axis = 1 if values.ndim > 2 and any(operation.kind == "conv" for operation in fed_by) else values.ndim - 1
    values = values if most is None else _thinned(values, axis, most)
    units = values.shape[axis]
    samples = values.numel() // units
    if decays:  # a decay near 1 is a long memory, not a flat part: the slope is the value
        return Activity(None, (values < 0.03).float().mean(), units, samples)
    if row is not None and row.flat is not None:
        low, high = row.flat
        return Activity(None, ((values < low) | (values > high)).float().mean(), units, samples)
    others = [dim for dim in range(values.ndim) if dim != axis]
    opened = _opened(graph, node, values)
    return Activity(opened.amax(others).float() if others else opened.float(), None, units, samples)


def _opened(graph: Graph, node: int, values: Tensor) -> Tensor:
    """How far each value is inside the part of the activation that has a slope; 0 or less where it has none.

    A ReLU saves its result, which is above 0 where its input is.
    """

    def saved(name: str) -> Any:
        return graph.saved(node, name)

    row = by_node(graph.names[node], saved)
    low, high = bounds_of(row, saved) if row is not None else (0.0, None)
    if row is not None and row.hole:
        return values.abs() - (high or 0.0)
    above = values if not low else values - low
    return above if high is None else torch.minimum(above, high - values)


def decay(graph: Graph, node: int) -> int | None:
    """The exponential whose rate a softplus is, ``exp(-softplus(z) a)`` with a learned or constant a; None without."""
    waiting = [(node, 0)]
    while waiting:
        index, steps = waiting.pop()
        for reader, _ in graph.readers(index):
            name = graph.names[reader]
            if name == "Exp" and steps:
                return reader
            alone = len(graph.data(reader)) == 1
            if steps < _MOST_STEPS and alone and (name in ("Mul", "Neg") or name in vocab.LAYOUT):
                waiting.append((reader, steps + 1))
    return None


def _thinned(values: Tensor, axis: int, most: int) -> Tensor:
    """Some of the units, each on some of the samples: a view."""
    units = -(-values.shape[axis] // _MOST_UNITS)
    share = values.numel() / units / most
    steps = []
    for dim, size in enumerate(values.shape):
        step = units if dim == axis else min(size, max(1, round(share)))
        share = share if dim == axis else share / step
        steps.append(slice(None, None, step))
    return values[tuple(steps)]


def summaries(found: Mapping[str, Sequence[Activity]]) -> dict[str, dict[str, Any]]:
    """The fields of each layer's Measurement; one transfer to the host."""
    everything = [a for activities in found.values() for a in activities]
    parts = [a.highest if a.highest is not None else a.saturated for a in everything]
    if not parts:
        return {}
    device = parts[0].device if parts[0] is not None else None
    numbers = iter(torch.cat([p.reshape(-1).to(device) for p in parts if p is not None]).tolist())
    values = {id(a): list(islice(numbers, a.units if a.highest is not None else 1)) for a in everything}
    return {layer: _summary(activities, values) for layer, activities in found.items()}


def _summary(found: Sequence[Activity], values: Mapping[int, list[float]]) -> dict[str, Any]:
    """Over several calls a unit counts as dead by the most lively of them."""
    dead = [a for a in found if a.highest is not None]
    shares = [values[id(a)][0] for a in found if a.highest is None]
    result: dict[str, Any] = {}
    if shares:
        result |= {"saturated_share": sum(shares) / len(shares), "units": found[-1].units}
    if dead:
        result |= {
            "dead_share": min(sum(top <= 0 for top in values[id(a)]) / a.units for a in dead),
            "dead_samples": sum(a.samples for a in dead),
            "units": dead[0].units,
        }
    return result

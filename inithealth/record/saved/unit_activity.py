"""Dead units and saturated elements of an activation, from the tensors that its node saved."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import Any, NamedTuple

import torch
from torch import Tensor

from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.consumers import Target
from inithealth.record.graph.graph import Graph
from inithealth.record.graph.operations import Operation
from inithealth.theory.activation_table import BY_NAME, by_node

_MOST_STEPS = 6  # nodes between a rate and its exponential: a factor, a negation, views
_MOST_UNITS = 128  # units sampled per layer in a live step


@dataclass(frozen=True)
class Activity:
    """The activity of one activation, on the device."""

    above: Tensor | None  # [units], distance of each unit's highest value above the lower bound: dead at 0 or less
    below: Tensor | None  # [units], distance of each unit's lowest value below the upper bound: dead at 0 or less
    saturated: Tensor | None  # share of elements
    units: int
    samples: int

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The tensors that are not None, in the order of the fields."""
        return tuple(each for each in (self.above, self.below, self.saturated) if each is not None)


def of_node(graph: Graph, target: Target, fed_by: Iterable[Operation], most: int | None) -> Activity | None:
    """Return the activity of an activation; None if it cannot die or saturate, or its saved tensors are freed.

    Args:
        most: number of elements to read; None reads all.
    """
    node, row = target.node, BY_NAME[target.name]
    if row.rate:
        node = decay(graph, node) or node
        row = by_node(graph.names[node], lambda name: graph.saved(node, name)) or row
    if row.flat is None and not row.dies:
        return None
    values, is_input = _values(graph, node)
    if not isinstance(values, Tensor) or values.numel() == 0 or values.ndim == 0:
        return None
    axis = 1 if values.ndim > 2 and any(operation.kind == "conv" for operation in fed_by) else values.ndim - 1
    values = values if most is None else _thinned(values, axis, most)
    units = values.shape[axis]
    samples = values.numel() // units
    if row.flat is not None:
        flat = (-row.flat_from, row.flat_from) if is_input and row.flat_from is not None else row.flat
        return Activity(None, None, _beyond(values, *flat), units, samples)
    low, high = row.edges(target.parameters)
    others = [dim for dim in range(values.ndim) if dim != axis]
    if row.hole:
        return Activity(_most(values.abs(), others) - (high or 0.0), None, None, units, samples)
    above = None if low is None else _most(values, others) - low
    below = None if high is None else high + _most(-values, others)
    edges = row.saturating(target.parameters)
    return Activity(above, below, None if edges == (None, None) else _beyond(values, *edges), units, samples)


def _values(graph: Graph, node: int) -> tuple[Tensor | None, bool]:
    """Return the saved output of a node, otherwise its saved input, and whether it is the input."""
    result = graph.saved(node, "result")
    if isinstance(result, Tensor):
        return result, False
    place = next((place for place, (producer, _) in enumerate(graph.edges[node]) if producer >= 0), 0)
    values = graph.saved(node, "other" if place == 1 and graph.names[node] in ("Maximum", "Minimum") else "self")
    return (values if isinstance(values, Tensor) else None), True


def _most(values: Tensor, others: Sequence[int]) -> Tensor:
    """Return the highest value of each unit."""
    return (values.amax(list(others)) if others else values).float()


def _beyond(values: Tensor, low: float | None, high: float | None) -> Tensor:
    """Return the share of elements outside two bounds, one of which may be None."""
    below, above = -math.inf if low is None else low, math.inf if high is None else high
    return ((values < below) | (values > above)).float().mean()


def decay(graph: Graph, node: int) -> int | None:
    """Return the exponential in ``exp(-softplus(z) a)``, given the softplus, for any factor a; None without one."""
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
    """Return a view of some units on some samples."""
    units = -(-values.shape[axis] // _MOST_UNITS)
    share = values.numel() / units / most
    steps = []
    for dim, size in enumerate(values.shape):
        step = units if dim == axis else min(size, max(1, round(share)))
        share = share if dim == axis else share / step
        steps.append(slice(None, None, step))
    return values[tuple(steps)]


def mostly_dead(found: Activity) -> bool:
    """Return whether more than half of the units are dead, as in few healthy layers. It waits for the device."""
    sides = [side <= 0 for side in (found.above, found.below) if side is not None]
    return bool(sides) and float(torch.stack(sides).any(0).float().mean()) > 0.5


def summaries(found: Mapping[str, Sequence[Activity]]) -> dict[str, dict[str, Any]]:
    """Return the fields for each layer's Measurement, with one transfer to the host."""
    everything = [a for activities in found.values() for a in activities]
    parts = [tensor for a in everything for tensor in a.tensors]
    if not parts:
        return {}
    numbers = iter(torch.cat([part.reshape(-1).to(parts[0].device) for part in parts]).tolist())
    values = {id(a): _Numbers.of(a, numbers) for a in everything}
    return {layer: _summary(activities, values) for layer, activities in found.items()}


class _Numbers(NamedTuple):
    """An activity on the host."""

    zero: list[bool]  # by unit, whether all inputs are below the lower bound
    pinned: list[bool]  # by unit, whether all inputs are above the upper bound
    saturated: float | None

    @classmethod
    def of(cls, activity: Activity, numbers: Iterator[float]) -> _Numbers:
        def sides(tensor: Tensor | None) -> list[bool]:
            return [] if tensor is None else [value <= 0 for value in islice(numbers, activity.units)]

        zero, pinned = sides(activity.above), sides(activity.below)
        return cls(zero, pinned, next(numbers) if activity.saturated is not None else None)

    @property
    def dead(self) -> int:
        """Number of units in the same flat range for every input."""
        return sum(map(any, zip_longest(self.zero, self.pinned)))


def _summary(found: Sequence[Activity], values: Mapping[int, _Numbers]) -> dict[str, Any]:
    """Return the fields of one layer; of several calls, the one with the fewest dead units counts."""
    dead = [a for a in found if a.above is not None or a.below is not None]
    shares = [share for a in found if (share := values[id(a)].saturated) is not None]
    result: dict[str, Any] = {}
    if shares:
        result |= {"saturated_share": sum(shares) / len(shares), "units": found[-1].units}
    if dead:
        best = min(dead, key=lambda a: values[id(a)].dead / a.units)
        numbers = values[id(best)]
        result |= {
            "dead_share": numbers.dead / best.units,
            "pinned_share": sum(numbers.pinned) / best.units,
            "dead_samples": sum(a.samples for a in dead),
            "units": dead[0].units,
        }
    return result

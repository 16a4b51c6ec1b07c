"""Follows the axes of a tensor through views: back to its parameter, and forward to where it is split."""

from __future__ import annotations

import math

from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.graph import Graph


def axis_of_parameter(graph: Graph, index: int, axis: int | None) -> int | None:
    """Return the parameter's axis that became ``axis`` of a node's output; None if that is unknown."""
    while index not in graph.parameters and axis is not None:
        if len(graph.edges[index]) != 1:
            return None
        producer, output = graph.edges[index][0]
        axis = _before(graph, index, axis, graph.shape(producer, output))
        index = producer
    return axis


def _before(graph: Graph, index: int, axis: int, shape: tuple[int, ...]) -> int | None:
    """Return the axis in the node's input of that shape; None if it is unknown."""
    name = graph.names[index]
    if name in vocab.KEEPS_AXES:
        return axis
    if name == "T":
        return len(shape) - 1 - axis
    if name == "Transpose":
        turned = _turned(graph, index, shape)
        return turned[1 - turned.index(axis)] if axis in turned else axis
    if name == "Permute":
        return graph.signed(graph.saved(index, "dims")[axis]) % len(shape)
    if name in vocab.RESHAPES:
        return _through_view(axis, shape, graph.shape(index))
    dim = graph.dimension(index) if name in vocab.DROPS_AXIS else None
    return None if dim is None else axis + (axis >= dim % len(shape))


def _turned(graph: Graph, index: int, shape: tuple[int, ...]) -> list[int]:
    return [graph.signed(graph.saved(index, dim)) % len(shape) for dim in ("dim0", "dim1")]


def _through_view(axis: int, before: tuple[int, ...], after: tuple[int, ...]) -> int | None:
    """Return the axis before a view that adds or drops axes of size 1; None for other views."""
    if before == after:
        return axis
    kept = [place for place, length in enumerate(after) if length != 1]
    old = [place for place, length in enumerate(before) if length != 1]
    if axis in kept and [before[p] for p in old] == [after[p] for p in kept]:
        return old[kept.index(axis)]
    return None


def after(graph: Graph, index: int, axes: frozenset[int], shape: tuple[int, ...]) -> frozenset[int]:
    """Return the axes after a node with an input of that shape; a view may split one into several.

    Empty if the node does not only rearrange values, or mixes these axes with others.
    """
    name, new = graph.names[index], graph.shape(index)
    if name in vocab.KEEPS_AXES and len(new) == len(shape):
        return axes
    if name == "T":
        return frozenset(len(shape) - 1 - axis for axis in axes)
    if name == "Transpose":
        one, other = _turned(graph, index, shape)
        return frozenset({one: other, other: one}.get(axis, axis) for axis in axes)
    if name == "Permute":
        dims = [graph.signed(dim) % len(shape) for dim in graph.saved(index, "dims")]
        return frozenset(dims.index(axis) for axis in axes)
    if name in vocab.RESHAPES:
        return frozenset[int]().union(*(_split_axes(axis, shape, new) for axis in axes))
    dim = graph.dimension(index) if name in vocab.DROPS_AXIS else None
    return frozenset() if dim is None else frozenset(axis - (axis > dim % len(shape)) for axis in axes)


def _split_axes(axis: int, before: tuple[int, ...], after: tuple[int, ...]) -> set[int]:
    """Return the axes into which a view splits one: those between the same products of lengths."""
    outer = math.prod(before[:axis])
    found: set[int] = set()
    for place, length in enumerate(after):
        first = math.prod(after[:place])
        if length > 1 and first >= outer and first * length <= outer * before[axis] and first % outer == 0:
            found.add(place)
    return found

"""Follows an axis of a tensor back through views to the parameter it came from."""

from __future__ import annotations

from inithealth.record.graph import Graph

_SAME = frozenset("ToCopy Alias Clone Contiguous Slice Detach Expand".split())
_VIEWS = frozenset("View UnsafeView ReshapeAlias Squeeze Unsqueeze".split())


def axis_of_parameter(graph: Graph, index: int, axis: int | None) -> int | None:
    """The parameter's axis that became ``axis`` of a node's output; None where that cannot be told."""
    while index not in graph.parameters and axis is not None:
        if len(graph.edges[index]) != 1:
            return None
        producer, output = graph.edges[index][0]
        axis = _before(graph, index, axis, graph.shape(producer, output))
        index = producer
    return axis


def _before(graph: Graph, index: int, axis: int, shape: tuple[int, ...]) -> int | None:
    """The axis one node earlier, where the tensor had that shape."""
    name = graph.names[index]
    if name in _SAME:
        return axis
    if name == "T":
        return len(shape) - 1 - axis
    if name == "Transpose":
        turned = [graph.signed(graph.saved(index, dim)) % len(shape) for dim in ("dim0", "dim1")]
        return turned[1 - turned.index(axis)] if axis in turned else axis
    if name == "Permute":
        return graph.signed(graph.saved(index, "dims")[axis]) % len(shape)
    if name in _VIEWS:
        return _through_view(axis, shape, graph.shape(index))
    return None


def _through_view(axis: int, before: tuple[int, ...], after: tuple[int, ...]) -> int | None:
    """The same axis before a view that adds or drops axes of size 1; None for other views."""
    if before == after:
        return axis
    kept = [place for place, length in enumerate(after) if length != 1]
    old = [place for place, length in enumerate(before) if length != 1]
    if axis in kept and [before[p] for p in old] == [after[p] for p in kept]:
        return old[kept.index(axis)]
    return None

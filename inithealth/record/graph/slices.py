"""Nodes that select a part of a signal. Different parts of one split are different signals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.graph import Graph


@dataclass(frozen=True)
class Selection:
    """A selecting node on the path of a signal, and the index of its output."""

    node: int
    output: int


def pieces(graph: Graph, node: int) -> list[tuple[int, ...]]:
    """Return the shapes of a node's outputs."""
    found: list[tuple[int, ...]] = []
    while shape := graph.shape(node, len(found)):
        found.append(shape)
    return found


def taken(graph: Graph, node: int) -> tuple[int, int, int] | None:
    """Return the selection of a Slice or Select, (dimension, start, end); None for other nodes."""
    name = graph.names[node]
    if name not in vocab.TAKING or not graph.edges[node]:
        return None
    shape = graph.shape(*graph.edges[node][0])
    dim = graph.dimension(node)
    if dim is None or not shape:
        return None
    dim %= len(shape)
    start = graph.saved(node, "index" if name == "Select" else "start")
    end = start if name == "Select" else graph.saved(node, "end")
    start, end = (_place(graph, value, shape[dim]) for value in (start, end))
    return dim, start, start + 1 if name == "Select" else end


def _place(graph: Graph, value: int | None, size: int) -> int:
    place = 0 if value is None else graph.signed(value)
    return min(size, place + size if place < 0 else place)


def is_other_part(graph: Graph, selections: Sequence[Selection], reader: int, producer: int, output: int) -> bool:
    """Return whether an edge leads to another part of a signal than the selected one."""
    for selection in selections:
        if producer == selection.node:
            return output != selection.output
        if graph.edges[selection.node][0] == (producer, output) and _disjoint(graph, reader, selection.node):
            return True
    return False


def _disjoint(graph: Graph, one: int, other: int) -> bool:
    """Return whether two nodes select disjoint parts of the same signal."""
    first, second = taken(graph, one), taken(graph, other)
    if first is None or second is None or first[0] != second[0]:
        return False
    return max(first[1], second[1]) >= min(first[2], second[2])

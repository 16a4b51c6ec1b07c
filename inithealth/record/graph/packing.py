"""Packed projections: query, key and value in one matrix, the halves of a gated unit, an LSTM's gates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from inithealth.layer_kinds import PROJECTIONS
from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.axes import after
from inithealth.record.graph.consumers import Meets, Target, targets
from inithealth.record.graph.graph import Graph
from inithealth.record.graph.landmarks import Landmarks
from inithealth.record.graph.operations import Operation
from inithealth.record.graph.slices import pieces, taken

_MOST_STEPS = 16  # views between a product and its split
_Readers = list[tuple[int, int]]


def unpacked(marks: Landmarks, meets: Meets, operation: Operation) -> Operation:
    """Return the operation with the number of its packed projections, and the fan_out of one of them."""
    parts = _parts(marks, meets, operation) if operation.kind in PROJECTIONS else 1
    if not operation.fan_out or (parts == 1 and operation.held is None):
        return operation
    # If whole groups are split off, the fan_out does not change.
    shared = operation.groups == 1 or operation.groups % parts
    fan_out = operation.fan_out // parts if shared else operation.fan_out
    held = operation.held or operation.fan_out
    return replace(operation, packed=held // fan_out if shared and held % fan_out == 0 else parts, fan_out=fan_out)


def _parts(marks: Landmarks, meets: Meets, operation: Operation) -> int:
    """Return the number of equal parts of the units that have different uses."""
    graph, node, output = marks.graph, operation.node, 0
    axes = frozenset({_axis_of_units(graph, operation)})
    for _ in range(_MOST_STEPS):
        readers, shape = _readers(graph, node, output), graph.shape(node, output)
        if not readers:
            return 1
        first, name = readers[0][0], graph.names[readers[0][0]]
        if all(_along(graph, reader, len(shape)) in axes for reader, _ in readers):
            return 2 if name == "Glu" else _split(marks, meets, [reader for reader, _ in readers])
        if any(graph.names[reader] != name for reader, _ in readers) or (len(readers) > 1 and name not in vocab.TAKING):
            return 1
        moved = _moved(graph, first, axes, shape)
        if not moved:
            return 1
        node, axes = first, moved
        output = min((which for _, _, which in graph.consumers[node]), default=0)
    return 1


def _readers(graph: Graph, node: int, output: int) -> _Readers:
    return [(at, operand) for at, operand, which in graph.consumers[node] if which == output and graph.is_data(at)]


def _moved(graph: Graph, reader: int, axes: frozenset[int], shape: tuple[int, ...]) -> frozenset[int]:
    """Return the axes after a node that rearranges a signal or adds another one; none after other nodes."""
    if graph.names[reader] == "Add":
        return axes if graph.shape(reader) == shape else frozenset()
    return after(graph, reader, axes, shape)


def _axis_of_units(graph: Graph, operation: Operation) -> int:
    if operation.kind == "conv":
        return 1
    dimensions = len(graph.shape(operation.node))
    turned = operation.operand == 0 and graph.names[operation.node] == "Mm"  # W @ x
    return max(0, dimensions - (2 if turned else 1))


def _along(graph: Graph, index: int, rank: int) -> int | None:
    """Return the axis that a node splits; None if it splits none."""
    if graph.names[index] not in vocab.SELECTING | {"Glu"}:
        return None
    dim = graph.dimension(index)
    return None if dim is None else dim % rank


def _split(marks: Landmarks, meets: Meets, nodes: list[int]) -> int:
    """Return the number of equal parts of a signal that nodes select, if the parts have different uses."""
    graph = marks.graph
    size = graph.shape(*graph.edges[nodes[0]][0])
    ways: dict[tuple[int, int], set[tuple[str, str]]] = {}
    for node in nodes:
        along = _along(graph, node, len(size)) or 0
        if graph.names[node] in vocab.SPLITTING:
            for output in {which for _, _, which in graph.consumers[node]}:
                met = targets(marks, meets, node, _readers(graph, node, output))
                ways.setdefault(_range(graph, node, output, along), set()).update(_role(meets, met))
        elif (part := taken(graph, node)) is not None:
            ways.setdefault(part[1:], set()).update(_role(meets, meets[node]))
    lengths = {end - start for start, end in ways}
    whole = size[_along(graph, nodes[0], len(size)) or 0]
    length = min(lengths)
    same_size = len(lengths) == 1 and length > 0 and whole % length == 0
    return whole // length if same_size and len({frozenset(way) for way in ways.values()}) > 1 else 1


def _range(graph: Graph, node: int, output: int, along: int) -> tuple[int, int]:
    """Return start and end of an output of a split."""
    if graph.names[node] == "Unbind":
        return output, output + 1
    lengths = [shape[along] for shape in pieces(graph, node)]
    return sum(lengths[:output]), sum(lengths[: output + 1])


def _role(meets: Meets, way: Sequence[Target]) -> frozenset[tuple[str, str]]:
    """Return the use of a part: its targets, also after a norm."""
    found: set[tuple[str, str]] = set()
    for target in way:
        beyond = meets[target.node] if target.what == "norm" else (target,)
        found |= {(each.what, each.name) for each in beyond}
    return frozenset(found)

"""Operations that are several side by side: query, key and value, the halves of a gated unit, an LSTM's gates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from inithealth.record import vocabulary as vocab
from inithealth.record.axes import after
from inithealth.record.graph import Graph
from inithealth.record.landmarks import Landmarks
from inithealth.record.operations import Operation
from inithealth.record.selection import pieces, taken
from inithealth.record.targets import Meets, Target, targets

_MOST_STEPS = 16  # views between a product and where it is split
_Readers = list[tuple[int, int]]


def unpacked(marks: Landmarks, meets: Meets, operation: Operation) -> Operation:
    """The operation with its fan_out that of one of the projections it holds, and how many those are."""
    parts = _parts(marks, meets, operation) if operation.kind in ("linear", "conv") else 1
    if parts == 1 or not operation.fan_out:
        return operation
    # Groups that are dealt out whole keep their outputs.
    shared = operation.groups == 1 or operation.groups % parts
    fan_out = operation.fan_out // parts if shared else operation.fan_out
    return replace(operation, packed=operation.packed * parts, fan_out=fan_out)


def _parts(marks: Landmarks, meets: Meets, operation: Operation) -> int:
    """Into how many equal parts the units fall that go different ways."""
    graph, node, output = marks.graph, operation.node, 0
    axes = frozenset({_axis_of_units(graph, operation)})
    for _ in range(_MOST_STEPS):
        readers = _readers(graph, node, output)
        names = {graph.names[at] for at, _ in readers}
        if len(names) != 1:
            return 1
        (name,), first = names, readers[0][0]
        dim = graph.dimension(first) if name in vocab.SELECTING or name == "Glu" else None
        shape = graph.shape(node, output)
        if dim is not None and dim % len(shape) in axes:
            return _split(marks, meets, first, readers, shape[dim % len(shape)])
        if len(readers) > 1 and name not in vocab.TAKING:
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
    """Where the axes are behind a node that lays a signal out, or adds another one; none behind any other node."""
    if graph.names[reader] == "Add":
        return axes if graph.shape(reader) == shape else frozenset()
    return after(graph, reader, axes, shape)


def _axis_of_units(graph: Graph, operation: Operation) -> int:
    if operation.kind == "conv":
        return 1
    dimensions = len(graph.shape(operation.node))
    turned = operation.operand == 0 and graph.names[operation.node] == "Mm"  # W @ x
    return max(0, dimensions - (2 if turned else 1))


def _split(marks: Landmarks, meets: Meets, node: int, readers: _Readers, size: int) -> int:
    """The number of equal parts of a split, if they go different ways."""
    graph = marks.graph
    if graph.names[node] == "Glu":
        return 2
    if graph.names[node] in vocab.SPLITTING:
        shapes, outputs = pieces(graph, node), sorted({output for _, _, output in graph.consumers[node]})
        ways = [targets(marks, meets, node, _readers(graph, node, output)) for output in outputs]
        count = len(shapes) if len({math.prod(shape) for shape in shapes}) == 1 else 1
    else:
        ranges = {at: taken(graph, at) for at, _ in readers}
        lengths = {end - start for _, start, end in (each for each in ranges.values() if each is not None)}
        starts = {at: each[1] for at, each in ranges.items() if each is not None}
        length = min(lengths, default=0)
        count = size // length if len(lengths) == 1 and length and size % length == 0 else 1
        ways = [meets[at] for at in sorted(starts, key=lambda at: starts[at])]
        ways = ways if len(set(starts.values())) > 1 else []
    return count if len({_role(meets, way) for way in ways}) > 1 else 1


def _role(meets: Meets, way: Sequence[Target]) -> frozenset[tuple[str, str]]:
    """What a part is for: what it meets, behind a norm too."""
    found: set[tuple[str, str]] = set()
    for target in way:
        beyond = meets[target.node] if target.what == "norm" else (target,)
        found |= {(each.what, each.name) for each in beyond}
    return frozenset(found)

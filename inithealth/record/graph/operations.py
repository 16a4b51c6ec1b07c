"""The operations of a graph that use a parameter as their weight."""

from __future__ import annotations

import math
from dataclasses import dataclass

from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.axes import axis_of_parameter
from inithealth.record.graph.graph import Graph


@dataclass(frozen=True)
class Operation:
    """One use of a weight in the forward pass."""

    node: int
    kind: str  # "linear", "conv", "bmm", "embedding", "rnn", "bilinear", "norm", "scale"
    weights: tuple[str, ...]  # parameters of the weight; several with weight norm and similar
    bias: str | None = None
    fan_in: int | None = None
    fan_out: int | None = None
    unit_axis: int | None = None  # axis of the parameter that indexes the output units; None: unknown
    groups: int = 1
    operand: int | None = None  # index of the operand that is the weight
    transformed: bool = False  # the weight is computed from the parameter
    packed: int = 1  # projections in the parameter, each with its own fan_out
    held: int | None = None  # units of the whole parameter, if the operation uses only some of them

    @property
    def parameters(self) -> tuple[str, ...]:
        """The weights and the bias."""
        return self.weights if self.bias is None else (*self.weights, self.bias)


def operations(graph: Graph) -> dict[int, Operation]:
    """Return the operations by node, in forward order, including normalization weights and learned scales."""
    found: dict[int, Operation] = {}
    for index, name in enumerate(graph.names):
        if graph.pure[index] is not None:
            continue
        operation = _main(graph, index) if name in vocab.OPERATIONS else _scaling(graph, index)
        if operation is not None:
            found[index] = operation
    return found


def _main(graph: Graph, index: int) -> Operation | None:
    row, edges = vocab.node(graph.names[index]), graph.edges[index]
    kind, operands = row.kind, row.at("factor")
    if not operands:
        return _lookup(graph, index, kind)
    at = next((k for k in reversed(operands) if k < len(edges) and _is_weight(graph, edges[k][0])), None)
    if at is None:
        return None  # two signals multiplied: attention, a similarity
    producer, output = edges[at]
    bias = _parameters_at(graph, index, "bias")
    shape = graph.shape(producer, output)
    fans = _conv_fans(graph, index, shape) if kind == "conv" else _matrix_fans(graph, index, kind, shape, at, operands)
    fan_in, fan_out, groups = fans
    unit_axis = None if kind == "bmm" and groups > 1 else _unit_axis(graph, index, kind, producer, at == operands[0])
    return Operation(
        node=index,
        kind=kind,
        weights=graph.pure[producer] or (),
        bias=bias[0] if bias else _added_bias(graph, index),
        fan_in=fan_in,
        fan_out=fan_out,
        unit_axis=unit_axis,
        groups=groups,
        operand=at,
        transformed=not _only_layout(graph, producer),
        held=_held(graph, producer, shape, unit_axis) if kind == "linear" else None,
    )


def _held(graph: Graph, index: int, shape: tuple[int, ...], unit_axis: int | None) -> int | None:
    """Return the units of a parameter of which an operation uses only some, as the query of a packed projection."""
    while index not in graph.parameters:
        if graph.names[index] not in vocab.LAYOUT or len(graph.edges[index]) != 1:
            return None
        index = graph.edges[index][0][0]
    whole = graph.shape(index)
    if unit_axis is None or len(whole) != len(shape) or math.prod(whole) == math.prod(shape):
        return None
    return whole[unit_axis]


def _added_bias(graph: Graph, index: int) -> str | None:
    """Return the parameter that is added directly to an operation's output, as in ``x @ w + b``; None without one."""
    for _ in range(3):  # a view may follow a matrix product with more than two dimensions
        readers = graph.readers(index)
        if len(readers) != 1:
            return None
        reader = readers[0][0]
        if graph.names[reader] == "Add":
            for producer, output in graph.edges[reader]:
                if producer in graph.parameters and len(graph.shape(producer, output)) == 1:
                    return graph.parameters[producer]
            return None
        if graph.names[reader] not in ("View", "UnsafeView"):
            return None
        index = reader
    return None


def _parameters_at(graph: Graph, index: int, role: str) -> tuple[str, ...] | None:
    """Return the parameters of a node's operand with that role; None if it is a signal, a constant or absent."""
    edges = graph.edges[index]
    found = [
        at for at in vocab.node(graph.names[index]).at(role) if at < len(edges) and _is_weight(graph, edges[at][0])
    ]
    return graph.pure[edges[found[0]][0]] if found else None


def _is_weight(graph: Graph, producer: int) -> bool:
    return producer >= 0 and graph.pure[producer] is not None


def _matrix_fans(
    graph: Graph, index: int, kind: str, shape: tuple[int, ...], at: int, operands: tuple[int, ...]
) -> tuple[int | None, int | None, int]:
    if "turned" in vocab.node(graph.names[index]).traits and len(shape) == 2:
        return shape[1], shape[0], 1
    if len(shape) < 2:
        return (shape[0] if shape else 1), 1, 1
    rows_first = at == operands[1]  # x @ W: the rows of W are the inputs
    fan_in, fan_out = (shape[-2], shape[-1]) if rows_first else (shape[-1], shape[-2])
    return fan_in, fan_out, shape[0] if kind == "bmm" and len(shape) == 3 else 1


def _conv_fans(graph: Graph, index: int, shape: tuple[int, ...]) -> tuple[int | None, int | None, int]:
    groups = int(graph.saved(index, "groups") or 1)
    field = math.prod(shape[2:])
    if graph.saved(index, "transposed"):
        # A transposed convolution distributes each input over stride positions: each output sums that many fewer.
        stride = math.prod(graph.saved(index, "stride") or (1,))
        return max(1, shape[0] // groups * field // stride), shape[1] * field, groups
    return shape[1] * field, shape[0] // groups * field, groups


def _lookup(graph: Graph, index: int, kind: str) -> Operation | None:
    """Return the operation of an embedding, a fused recurrent layer or a bilinear form."""
    weights: list[str] = []
    shapes: list[tuple[int, ...]] = []
    for producer, output in graph.edges[index]:
        if _is_weight(graph, producer):
            weights += graph.pure[producer] or ()
            shapes.append(graph.shape(producer, output))
    if not weights:
        return None
    shape = shapes[0]
    fan_in = {"embedding": 1, "bilinear": math.prod(shape[1:])}.get(kind, shape[-1])
    fan_out = shape[-1] if kind == "embedding" else shape[0]
    packed = _gates(shapes) if kind == "rnn" else 1
    return Operation(
        index, kind, tuple(dict.fromkeys(weights)), fan_in=fan_in, fan_out=fan_out // packed, unit_axis=0, packed=packed
    )


def _gates(shapes: list[tuple[int, ...]]) -> int:
    """Return the number of gates of a fused recurrent layer: rows over columns of the recurrent weight."""
    recurrent = shapes[1] if len(shapes) > 1 and len(shapes[1]) == 2 else (1, 1)
    return recurrent[0] // recurrent[1] if recurrent[0] % recurrent[1] == 0 else 1


def _scaling(graph: Graph, index: int) -> Operation | None:
    """Return the operation of a normalization weight or a learned scale."""
    name, edges = graph.names[index], graph.edges[index]
    if name in vocab.NORMS:
        weight, bias = (_parameters_at(graph, index, role) for role in ("weight", "bias"))
        if weight is None:
            return None
        return Operation(index, "norm", weight, bias[0] if bias else None)
    if name == "Mul" and graph.data(index):
        for producer, _ in edges:
            if _is_weight(graph, producer):
                computed = not _only_layout(graph, producer)
                return Operation(index, "scale", graph.pure[producer] or (), transformed=computed)
    return None


def _only_layout(graph: Graph, index: int) -> bool:
    while index not in graph.parameters:
        if graph.names[index] not in vocab.LAYOUT or len(graph.edges[index]) != 1:
            return False
        index = graph.edges[index][0][0]
    return True


def _unit_axis(graph: Graph, index: int, kind: str, producer: int, weight_first: bool) -> int | None:
    """Return the axis of the parameter that indexes the output units; None if the graph does not show it."""
    if kind == "conv":
        return 1 if graph.saved(index, "transposed") else 0
    dimensions = len(graph.shape(producer))
    last = dimensions - 2 if weight_first else dimensions - 1
    axis = 0 if vocab.node(graph.names[index]).units_first else last
    return axis_of_parameter(graph, producer, axis)

"""The output of a node, which autograd does not keep: from the tensors that it or nodes upstream of it saved."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from inithealth.layer_kinds import ELEMENTWISE
from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.activation_nodes import recognized
from inithealth.record.graph.flow import Flow
from inithealth.record.graph.graph import Graph
from inithealth.record.saved import replay

_MOST_STEPS = 12  # views, factors and offsets between the operation that is recomputed and the node
Parameter = Callable[[str], Tensor | None]


@torch.no_grad()
def values_of(flow: Flow, index: int, parameter: Parameter, rows: int | None = None) -> Tensor | None:
    """Return the output of a node; of the first ``rows`` of the batch only, if given. None if it cannot be recomputed.

    Args:
        parameter: returns a parameter by its name; None for sharded ones.
    """
    passed: list[int] = []
    values = None
    while index >= 0 and len(passed) < _MOST_STEPS:
        values = _own(flow, index, parameter, rows)
        before = _source(flow, index)
        if values is not None or before is None:
            break
        passed.append(index)
        index = before
    for node in reversed(passed):
        values = None if values is None else _changed(flow, node, values, rows)
    return values


def _source(flow: Flow, index: int) -> int | None:
    """Return the only signal that a node reads; None if there are several."""
    data = flow.graph.data(index)
    return data[0] if len(data) == 1 else None


def _own(flow: Flow, index: int, parameter: Parameter, rows: int | None) -> Tensor | None:
    """Return the output of a layer, which is recomputed, or of a function that saved its output or its input."""
    graph, operation = flow.graph, flow.operations.get(index)
    if operation is not None and operation.kind not in ELEMENTWISE:
        if operation.bias and parameter(operation.bias) is None:
            return None
        replayed = replay.forward(flow, index, parameter, rows)
        return None if replayed is None else _shaped(graph, index, replayed.output, rows)
    result = graph.saved(index, "result")
    if isinstance(result, Tensor):
        return result[:rows] if result.ndim else result
    found, inputs = recognized(graph, index), graph.saved(index, "self")
    function = found[0].function if found is not None else None
    if found is None or function is None or not isinstance(inputs, Tensor) or len(graph.data(index)) != 1:
        return None
    row, parameters = found
    inputs = inputs[:rows] if inputs.ndim else inputs
    values = function(np, inputs.double().cpu().numpy(), *(parameters or row.parameters.values()))
    return torch.as_tensor(np.asarray(values), dtype=torch.float32, device=inputs.device)


def _changed(flow: Flow, index: int, values: Tensor, rows: int | None) -> Tensor | None:
    """Return the values after a node that moves, scales or selects them; None for other nodes."""
    graph, name = flow.graph, flow.graph.names[index]
    if name == "Neg":
        return -values
    if name in vocab.IN_ORDER:
        return _shaped(graph, index, values, rows)
    if name in ("Mul", "Div"):
        factor = graph.saved(index, "other")
        if not isinstance(factor, Tensor) or factor.numel() != 1:
            return None
        return values * factor if name == "Mul" else values / factor
    if name == "Add" and not {graph.parameters.get(producer) for producer, _ in graph.edges[index]}.isdisjoint(
        operation.bias for operation in flow.operations.values() if operation.bias
    ):
        return _shaped(graph, index, values, rows)  # the recomputed output of a layer includes its bias
    return _selected(graph, index, values) if rows is None else None


def _selected(graph: Graph, index: int, values: Tensor) -> Tensor | None:
    """Return the elements that a node selects, such as the value of the chosen action."""
    name, dim = graph.names[index], graph.dimension(index)
    if name == "Gather" and dim is not None:
        return values.gather(dim, graph.saved(index, "index"))
    if name == "Select" and dim is not None:
        return values.select(dim, graph.signed(graph.saved(index, "index")))
    indices = graph.saved(index, "indices") if name == "Index" else None
    if not indices:
        return None
    return values[tuple(slice(None) if each is None else each for each in indices)]


def _shaped(graph: Graph, index: int, values: Tensor, rows: int | None) -> Tensor | None:
    """Return values in the shape of a node's output; None if they are of another number."""
    shape = graph.shape(index)
    if rows is not None and shape:
        shape = (len(values), *shape[1:])
    return values.reshape(shape) if values.numel() == math.prod(shape) else None

"""How long the states of state-space and linear-attention layers last: their decays, from the saved tensors.

Mamba, gated DeltaNet and others multiply the state by exp(-rate * step) at each token: the step is a softplus of the
input, the rate an exponential of a parameter. The product of the two is the same however the recurrence is computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.flow import Flow
from inithealth.record.graph.graph import Graph
from inithealth.recorded_graph import LONG, Decay

_MOST_NODES = 64  # between the product and the exponential of it
_MOST_STEPS = 8  # nodes between a product and its softplus or exponential, or a softplus and its bias
_SAMPLES = 8  # samples of the batch whose states are read
_PASSED = vocab.LAYOUT | vocab.ADDITIVE | vocab.MULTIPLICATIVE | {"Cumsum", "Sum", "Abs"}


@torch.no_grad()
def decays(flow: Flow, layer_at: Mapping[int, str]) -> tuple[Decay, ...]:
    """Return the decays of a graph whose saved tensors exist, in forward order.

    Args:
        layer_at: the layer of each operation.
    """
    found = []
    for index, step, rate in _products(flow.graph):
        values = _values(flow.graph, index)
        if values is None or not bool(values.isfinite().all()) or not bool((values != 0).any()):
            continue
        layer, bias = _step_layer(flow, step, layer_at)
        found.append(
            Decay(
                layer=layer,
                bias=bias,
                rates=flow.graph.pure[rate] or (),
                lasting=float((values.abs() < 1 / LONG).float().mean()),
                memory=float(1 / values.abs().median()),
            )
        )
    return tuple(found)


def _products(graph: Graph) -> Iterator[tuple[int, int, int]]:
    """Yield each product of a softplus and an exponential of parameters, and both, if it becomes an exponent."""
    for index, name in enumerate(graph.names):
        if name != "Mul" or not graph.is_data(index) or len(graph.edges[index]) != 2:
            continue
        producers = [producer for producer, _ in graph.edges[index]]
        for step, rate in (producers, producers[::-1]):
            if rate < 0 or graph.pure[rate] is None or not graph.is_data(step):
                continue
            if (
                _made_by(graph, step, "Softplus") >= 0
                and _made_by(graph, rate, "Exp") >= 0
                and _is_exponent(graph, index)
            ):
                yield index, step, rate


def _made_by(graph: Graph, index: int, name: str) -> int:
    """Return the node with that name whose values a node has, up to layout, sign and limits; -1 without one."""
    for _ in range(_MOST_STEPS):
        if index < 0 or graph.names[index] == name:
            return index
        if graph.names[index] not in vocab.LAYOUT | {"Clamp", "ClampMin"} or len(graph.edges[index]) != 1:
            return -1
        index = graph.edges[index][0][0]
    return -1


def _is_exponent(graph: Graph, index: int) -> bool:
    """Return whether the exponential of a node is computed, possibly after a sum over the tokens."""
    waiting, seen = [index], {index}
    while waiting and len(seen) < _MOST_NODES:
        for reader, _ in graph.readers(waiting.pop(0)):
            if graph.names[reader] == "Exp":
                return True
            if graph.names[reader] in _PASSED and reader not in seen:
                seen.add(reader)
                waiting.append(reader)
    return False


def _values(graph: Graph, index: int) -> Tensor | None:
    """Return the logarithms of the decay of some samples; None if the factors were not saved."""
    factors = [graph.saved(index, name) for name in ("self", "other")]
    if not all(isinstance(factor, Tensor) for factor in factors):
        return None
    most = max(factor.ndim for factor in factors)
    one, other = (factor[:_SAMPLES] if factor.ndim == most else factor for factor in factors)
    values: Tensor = one.float() * other.float()
    return values


def _step_layer(flow: Flow, step: int, layer_at: Mapping[int, str]) -> tuple[str, str]:
    """Return the layer that computes the step, and the parameter that is added to its output; "" if unknown."""
    graph = flow.graph
    index, bias = graph.edges[_made_by(graph, step, "Softplus")][0][0], ""
    for _ in range(_MOST_STEPS):
        if index < 0:
            break
        operation = flow.operations.get(index)
        if operation is not None and index in layer_at:
            return layer_at[index], bias or operation.bias or ""
        edges = [producer for producer, _ in graph.edges[index] if producer >= 0]
        added = [graph.pure[producer] or () for producer in edges if graph.pure[producer] is not None]
        bias = bias or next((names[0] for names in added if len(names) == 1), "")
        data = graph.data(index)
        if len(data) != 1 or graph.names[index] not in vocab.LAYOUT | vocab.ADDITIVE:
            break
        index = data[0]
    return "", bias

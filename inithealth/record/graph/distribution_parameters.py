"""Layers that set a parameter of a distribution, its mean or the logarithm of its scale, after a one-sided activation.

A logarithm of a scale goes through an exponential, and the result multiplies noise, or the logarithm itself is a term
of the loss, as in each log density. A mean is added to the scaled noise, and its square is a term of the loss, so it is
expected to be on both sides of zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from inithealth.layer_kinds import ELEMENTWISE
from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.activation_nodes import activation
from inithealth.record.graph.dominators import peel
from inithealth.record.graph.flow import Flow
from inithealth.record.graph.graph import Graph
from inithealth.record.graph.linear_paths import is_term, number_of, origin_of
from inithealth.recorded_graph import OneSidedParameter

_MOST_STEPS = 8  # views and factors between a scale and the noise


_Limited = tuple[int, Literal["mean", "log_scale"], str]  # an operation, its parameter, and the activation


def one_sided_parameters(flow: Flow, layer_at: Mapping[int, str]) -> tuple[OneSidedParameter, ...]:
    """Return the parameters of distributions that an activation keeps from being negative.

    Args:
        layer_at: the layer of each operation.
    """
    found = dict.fromkeys(_one_sided(flow))
    known = [(layer_at[operation], role, name) for operation, role, name in found if operation in layer_at]
    return tuple(OneSidedParameter(layer=layer, role=role, activation=name) for layer, role, name in known)


def _one_sided(flow: Flow) -> Iterator[_Limited]:
    graph = flow.graph
    for index, name in enumerate(graph.names):
        if name != "Exp" or len(graph.computed(index)) != 1:
            continue
        log_scale, sign = origin_of(graph, graph.computed(index)[0])
        noisy = list(_shifted_noise(graph, index))
        logarithm = any(graph.names[reader] == "Log" for reader, _ in _readers(graph, index))  # torch.distributions
        if (noisy and sign > 0) or logarithm or is_term(graph, log_scale):
            yield from _limited(flow, log_scale, "log_scale")
        for mean in (peel(graph, side) for side in noisy):
            squares = [reader for reader, _ in _readers(graph, mean) if graph.names[reader] in ("Pow", "Mul")]
            if any(_is_square(graph, square) and is_term(graph, square) for square in squares):
                yield from _limited(flow, mean, "mean")


def _shifted_noise(graph: Graph, scale: int) -> Iterator[int]:
    """Yield what is added to constant noise that a scale multiplies."""
    for product, _ in _readers(graph, scale):
        noise = graph.constant(product) if graph.names[product] == "Mul" else None
        if noise is None or noise.numel() < 2 or bool((noise >= 0).all()):
            continue
        for total, _ in _readers(graph, product):
            others = [side for side in graph.data(total) if peel(graph, side) != product]
            if graph.names[total] == "Add" and len(others) == 1:
                yield others[0]


def _readers(graph: Graph, index: int) -> Iterator[tuple[int, int]]:
    """Yield the readers of a node, of its views and of its multiples by a constant."""
    waiting = [(index, 0)]
    while waiting:
        node, steps = waiting.pop()
        for reader, operand in graph.readers(node):
            yield reader, operand
            if steps < _MOST_STEPS and (graph.names[reader] in vocab.LAYOUT or number_of(graph, reader)):
                waiting.append((reader, steps + 1))


def _is_square(graph: Graph, index: int) -> bool:
    if graph.names[index] == "Pow":
        return bool(graph.saved(index, "exponent") == 2)
    data = graph.data(index)
    return len(data) == 2 and data[0] == data[1]


def _limited(flow: Flow, index: int, role: Literal["mean", "log_scale"]) -> Iterator[_Limited]:
    """Yield the parameter if it is the output of an activation without negative values, directly after a layer."""
    graph, found = flow.graph, activation(flow.graph, index)
    if found is not None and found[0].name == "hardtanh" and found[0].outputs(found[1])[0] < 0.0:
        # A clamp on both sides may follow the activation.
        index = peel(graph, graph.data(index)[0])
        found = activation(graph, index)
    if found is None or len(graph.data(index)) != 1 or not found[0].outputs(found[1])[0] >= 0.0:
        return
    before = graph.data(index)[0]
    layer = peel(graph, before)
    operation = flow.operations.get(layer)
    if operation is None and graph.names[layer] == "Add":  # a bias that is added separately
        layer = next(
            (each for each in (peel(graph, side) for side in graph.data(layer)) if each in flow.operations), -1
        )
        operation = flow.operations.get(layer)
    # A layer whose outputs are read elsewhere too is not limited, as in softplus and ELU written out.
    split = any(graph.names[reader] in vocab.SPLITTING | vocab.TAKING for reader, _ in graph.readers(layer))
    if operation is None or operation.kind in ELEMENTWISE or (len(graph.readers(before)) > 1 and not split):
        return
    yield layer, role, found[0].name

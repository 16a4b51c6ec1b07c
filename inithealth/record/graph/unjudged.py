"""Elementwise functions after a layer that have no row in the activation table."""

from __future__ import annotations

from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.activation_nodes import composed, recognized
from inithealth.record.graph.landmarks import Landmarks

_MOST_NODES = 32  # of the statistic of a composed norm


def unjudged(marks: Landmarks) -> tuple[str, ...]:
    """Return the names of these nodes, each once, if a layer follows. Steps of a norm are left out."""
    graph = marks.graph
    inside, found = _inside(marks), set()
    for index, name in enumerate(graph.names):
        if name in vocab.FUNCTIONS and marks.follows[index] and marks.leads_on[index] and index not in inside:
            alone = sum(producer >= 0 for producer, _ in graph.edges[index]) == 1  # the other operand is a constant
            if alone and recognized(graph, index) is None:
                found.add(name)
    return tuple(sorted(found))


def _inside(marks: Landmarks) -> set[int]:
    """Return the nodes between a norm and its input, and the nodes of composed activations."""
    graph, found = marks.graph, set()
    whole = {index: graph.edges[index][0][0] for index in range(len(graph)) if composed(graph, index)}
    for end, signal in {**marks.norms, **whole}.items():
        frontier, inner = [end], {signal, end}
        steps = vocab.STATISTIC | {"Abs", "Tanh"} if end in whole else vocab.STATISTIC
        while frontier and len(inner) < _MOST_NODES:
            fresh = {producer for index in frontier for producer in graph.data(index)} - inner
            frontier = [producer for producer in fresh if graph.names[producer] in steps]
            inner.update(frontier)
        found |= inner - {signal}
    return found

"""Whether a signal that has not passed through a product joins its output, as after a skip connection."""

from __future__ import annotations

from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.dominators import peel
from inithealth.record.graph.generated_weights import Generated, other_factor
from inithealth.record.graph.graph import Graph
from inithealth.record.graph.landmarks import Landmarks

_JOINS = vocab.ADDITIVE | {"Cat", "Stack"}


def is_bypassed(marks: Landmarks, use: Generated) -> bool:
    """Return whether a signal that has not passed through a product joins its output; a bias is no such signal."""
    graph, reached, before = marks.graph, {use.product}, _upstream(marks.graph, other_factor(marks.graph, use)[0])
    for index in range(use.product + 1, len(graph)):
        if not graph.is_data(index) or reached.isdisjoint(graph.data(index)):
            continue
        reached.add(index)
        others = [producer for producer, _ in graph.edges[index] if producer not in reached]
        if graph.names[index] in _JOINS and any(_is_signal(marks, index, other, before) for other in others):
            return True
    return False


def _upstream(graph: Graph, index: int) -> set[int]:
    """Return a node and all nodes whose signals it depends on."""
    found, waiting = {index}, [index] if index >= 0 else []
    while waiting:
        fresh = set(graph.data(waiting.pop())) - found
        found |= fresh
        waiting += fresh
    return found


def _is_signal(marks: Landmarks, join: int, other: int, before: set[int]) -> bool:
    """Return whether an operand that is added to a signal is another one, not a bias, a parameter or a target."""
    graph = marks.graph
    if other in graph.computed(join):
        return not marks.weighted(peel(graph, other)) or other in before
    constant = other < 0 or graph.is_data(other)  # perhaps the input of the network; losses subtract their targets
    return constant and graph.names[join] == "Add" and bool(graph.shape(join))

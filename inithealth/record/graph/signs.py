"""Values that cannot be negative, such as the products of two signals that a ReLU has limited."""

from __future__ import annotations

from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.activation_nodes import activation
from inithealth.record.graph.graph import Graph
from inithealth.record.graph.linear_paths import number_of

_MOST_NODES = 32  # operations between a value and the activations that limit it
_PRODUCTS = frozenset({"Mul", "Mm", "Bmm"})
_KEEPING = vocab.LAYOUT | vocab.SELECTING | vocab.REDUCTIONS | frozenset({"Add", "Mul", "Div"})


def limiting_activation(graph: Graph, index: int) -> str:
    """Return the activation because of which no element of a node's output is negative; "" if some may be.

    Products and sums of values that are not negative are not negative either.
    """
    waiting, seen, name = [index], {index}, ""
    while waiting:
        node = waiting.pop()
        found = activation(graph, node)
        if found is not None and found[0].outputs(found[1])[0] >= 0.0:
            name = found[0].name
            continue
        before = _operands(graph, node)
        if not before or len(seen) > _MOST_NODES:
            return ""
        fresh = [each for each in before if each not in seen]
        seen.update(fresh)
        waiting += fresh
    return name


def _operands(graph: Graph, index: int) -> list[int]:
    """Return the operands of an operation that keeps values from being negative; [] for other operations."""
    name, data = graph.names[index], graph.computed(index)
    if name in _PRODUCTS and len(data) == 2:
        return data
    if name not in _KEEPING or (name in ("Mul", "Div") and number_of(graph, index) <= 0):
        return []
    return data if name != "Add" or len(data) == 2 else []

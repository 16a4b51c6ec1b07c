"""Second derivatives of a network that are zero everywhere, because its activations are piecewise linear."""

from __future__ import annotations

from torch import Tensor

from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.graph import Graph
from inithealth.theory.activation_table import by_node

_DERIVATIVE = "Backward"  # ends the names of nodes that compute the derivative of an activation
_SUMS = vocab.LAYOUT | vocab.ADDITIVE


def without_second_derivative(graph: Graph) -> str:
    """Return the activation whose second derivative is zero where the loss contains one; "" if there is none.

    The graph of a second derivative multiplies the derivative of each activation's slope by a weight. If all slopes are
    constant, the last of these products has a factor at exactly zero.
    """
    for index in range(len(graph) - 1, -1, -1):
        factor = graph.saved(index, "self") if graph.names[index] in ("Mm", "Bmm") else None
        if not isinstance(factor, Tensor) or not factor.numel():
            continue
        name = _differentiated(graph, graph.edges[index][0][0])
        if name:
            return "" if bool(factor.any()) else name
    return ""


def _differentiated(graph: Graph, index: int) -> str:
    """Return the activation whose derivative a node differentiates; "" for other nodes, and if all units are dead."""
    while index >= 0 and graph.names[index] in _SUMS:
        index = next((producer for producer, _ in graph.edges[index] if producer >= 0), -1)
    if index < 0 or not graph.names[index].endswith(_DERIVATIVE):
        return ""
    signal = graph.saved(index, "self")
    if not isinstance(signal, Tensor) or not bool((signal > 0).any()):
        return ""
    name = graph.names[index].removesuffix(_DERIVATIVE)
    row = by_node("Relu" if name == "Threshold" else name, lambda _: None)
    return row.name if row else ""

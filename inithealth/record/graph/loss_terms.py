"""The losses that a graph adds up, each with its predictions and the layers that make them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from inithealth.layer_kinds import ELEMENTWISE
from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.activation_nodes import activation
from inithealth.record.graph.consumers import constant_factor
from inithealth.record.graph.cosines import computes_cosines
from inithealth.record.graph.dominators import peel
from inithealth.record.graph.flow import Flow
from inithealth.record.graph.graph import Graph
from inithealth.record.graph.signs import limiting_activation
from inithealth.record.graph.written_losses import difference_of, poisson_nodes, written_loss

_MOST_NODES = 10_000  # nodes between the root and the layers that are searched
_MOVES = frozenset({"Add", "Sub", "Rsub", "Neg"})
_LINEAR = _MOVES | {"Mul", "Div"}
_STOPS = vocab.OPERATIONS | vocab.NORMS | vocab.ATTENTION  # losses are downstream of these


@dataclass(frozen=True)
class Source:
    """What a loss receives its predictions from.

    Attributes:
        name: the activation between the last layer and the loss; "layer" if there is none, "cosine" if the layer
            compares directions, "" if it is not known, as after pooling.
        span: largest possible difference between two predictions.
        lowest: smallest possible prediction; minus infinity if that is not known.
    """

    name: str = ""
    span: float = math.inf
    lowest: float = -math.inf


@dataclass(frozen=True)
class Term:
    """One loss of the objective."""

    node: int
    kind: str  # "cross_entropy", "mse", ...
    prediction: int = -1  # the node of its predictions; -1: unknown
    written: bool = False  # composed of arithmetic
    source: Source = Source()
    heads: tuple[int, ...] = ()  # the operations with a weight that the predictions come from


def loss_terms(flow: Flow) -> list[Term]:
    """Return the losses of a graph, the one nearest to the root first; losses that are composed follow."""
    graph = flow.graph
    roots = [index for index in range(len(graph)) if graph.pure[index] is None and not graph.readers(index)]
    terms: dict[tuple[int, str], Term] = {}
    frontier, seen = list(roots), set(roots)
    while frontier and len(seen) < _MOST_NODES:
        index = frontier.pop()
        term = _term(graph, index)
        if term is not None:
            compared = term.prediction if term.prediction >= 0 else index
            terms.setdefault((compared, term.kind), _complete(flow, term))
        if index in flow.operations and flow.operations[index].kind not in ELEMENTWISE:
            continue
        if (term is not None and not term.written) or graph.names[index] in _STOPS:
            continue
        before = [producer for producer in graph.data(index) if producer not in seen]
        seen.update(before)
        frontier += before
    return sorted(terms.values(), key=lambda term: (term.written, -term.node))


def _term(graph: Graph, index: int) -> Term | None:
    """Return the loss whose main operation is this node; None if it is another operation."""
    name, data = graph.names[index], graph.data(index)
    if name in vocab.LOG_SOFTMAX:
        return Term(index, "cross_entropy", data[0] if data else -1)
    if name in vocab.LOSSES:
        kind, prediction = vocab.LOSSES[name], (graph.computed(index) or data or [-1])[0]
        source = peel(graph, prediction) if kind == "nll" and data else -1
        if source >= 0 and graph.names[source] in vocab.LOG_SOFTMAX:
            kind, prediction = "cross_entropy", graph.data(source)[0] if graph.data(source) else -1
        return Term(index, kind, prediction)
    written = written_loss(graph, index)
    if written == "poisson":
        rate, _ = poisson_nodes(graph, index) or (-1, -1)
        return Term(index, written, graph.data(rate)[0], written=True)
    return Term(index, written, _compared(graph, index), written=True) if written else None


def _compared(graph: Graph, index: int) -> int:
    """Return the node of the predictions of a composed loss; that of the difference if the target has weights too."""
    difference = difference_of(graph, index)
    computed = graph.computed(difference)
    return computed[0] if len(computed) == 1 else difference


def _complete(flow: Flow, term: Term) -> Term:
    if term.prediction < 0:
        return term
    heads, source = tuple(sorted(heads_of(flow, [term.prediction]))), source_of(flow, term.prediction)
    # Only a binary cross-entropy needs negative logits. A softmax compares logits, so an offset does not matter.
    if term.kind == "bce_logits" and source.name in ("", "layer"):
        name = limiting_activation(flow.graph, term.prediction)
        source = Source(name, lowest=0.0) if name else source
    return Term(term.node, term.kind, term.prediction, term.written, source, heads)


def heads_of(flow: Flow, start: Iterable[int]) -> set[int]:
    """Return the nearest operations with a weight upstream of some nodes, on every path."""
    frontier, seen, found = list(start), set(start), set[int]()
    while frontier and len(seen) < _MOST_NODES:
        index = frontier.pop()
        if index in flow.operations and flow.operations[index].kind not in ELEMENTWISE:
            found.add(index)
            continue
        before = [producer for producer in flow.graph.data(index) if producer not in seen]
        seen.update(before)
        frontier += before
    return found


def source_of(flow: Flow, index: int) -> Source:
    """Return what predictions come from.

    A constant factor after the activation changes its span, a constant offset does not. A learned factor, a pooling or
    a sum of several signals makes the source unknown.
    """
    graph, factor, moved = flow.graph, 1.0, False
    while index >= 0:
        name, data = graph.names[index], graph.data(index)
        found = activation(graph, index)
        if found is not None:
            low, high = found[0].outputs(found[1])
            return Source(found[0].name, (high - low) * factor, -math.inf if moved else low * factor)
        if index in flow.operations and flow.operations[index].kind in ELEMENTWISE:
            return Source()
        if index in flow.operations and computes_cosines(graph, flow.operations[index]):
            return Source("cosine", 2 * factor, -math.inf if moved else -factor)
        if name in vocab.OPERATIONS:  # a layer, or a product of two signals
            return Source("layer")
        if len(data) != 1 or name in vocab.NORMS or (name not in vocab.LAYOUT and name not in _LINEAR):
            return Source()
        factor *= constant_factor(graph, index)
        moved = moved or name in _MOVES
        index = data[0]
    return Source()

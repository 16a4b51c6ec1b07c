"""Learned scales between a signal and the next layer: LayerScale, ReZero's alpha, the weight of a norm."""

from __future__ import annotations

from inithealth.layer_kinds import ELEMENTWISE
from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.dominators import peel
from inithealth.record.graph.landmarks import Landmarks


def passed_scales(marks: Landmarks) -> list[tuple[str, ...]]:
    """Return for each node the parameters that scale its signal on all paths to the next layer or residual add."""
    graph = marks.graph
    found: list[tuple[str, ...]] = [()] * len(graph)
    for index in reversed(range(len(graph))):
        if graph.pure[index] is not None:
            continue
        ways = [_at(marks, found, reader) for reader, _ in graph.readers(index)]
        if ways:
            shared = ways[0]
            for way in ways[1:]:
                shared = tuple(name for name in shared if name in way)
            found[index] = shared
    return found


def _at(marks: Landmarks, found: list[tuple[str, ...]], reader: int) -> tuple[str, ...]:
    """Return the scales at a reader and after it."""
    operation = marks.operations.get(reader)
    if operation is not None:
        return operation.weights[:1] + found[reader] if operation.kind in ELEMENTWISE else ()
    graph = marks.graph
    node = vocab.node(graph.names[reader])
    if node.kind == "additive" and node.operands:  # x + scale f in one operation
        scales = [producer for at, (producer, _) in enumerate(graph.edges[reader]) if node.role(at) == "scale"]
        return tuple(name for producer in scales if producer >= 0 for name in (graph.pure[producer] or ())[:1])
    return () if reader in marks.residuals or reader in marks.projections else found[reader]


def norm_weights(marks: Landmarks) -> list[int]:
    """Return the weights of composed norms, without those of the form ``1 + weight``, which are expected to be zero."""
    return [
        node
        for node, operation in marks.operations.items()
        if operation.kind == "scale"
        and not operation.transformed
        and any(_by_hand(marks, peel(marks.graph, source)) for source in marks.graph.data(node))
    ]


def _by_hand(marks: Landmarks, index: int) -> bool:
    return index in marks.norms and marks.graph.names[index] not in vocab.NORMS

"""Operations whose output is positions at which another signal is sampled, such as the transformation of an image."""

from __future__ import annotations

from inithealth.layer_uses import Steers
from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.landmarks import Landmarks

Sources = dict[int, Steers]  # operation -> what its output is used as


def steering(marks: Landmarks) -> dict[int, Sources]:
    """Return for each sampling node the operations that its positions come from, the last ones before it."""
    graph, found = marks.graph, {}
    for index, name in enumerate(graph.names):
        places, edges = vocab.node(name).at("place"), graph.edges[index]
        starts = [edges[at][0] for at in places if at < len(edges) and graph.is_data(edges[at][0])]
        sources = _last_operations(marks, starts, "offsets" if "offsets" in vocab.node(name).traits else "positions")
        if sources:
            found[index] = sources
    return found


def _last_operations(marks: Landmarks, starts: list[int], use: Steers) -> Sources:
    """Return the last operations with a weight before some nodes. A softmax ends the search: it compares positions."""
    waiting: list[tuple[int, Steers]] = [(start, use) for start in starts]
    seen, found = set(starts), {}
    while waiting:
        index, use = waiting.pop()
        if marks.weighted(index):
            found[index] = use
        elif marks.graph.names[index] not in vocab.SOFTMAX | vocab.ATTENTION:
            fresh = [producer for producer in marks.graph.data(index) if producer not in seen]
            seen.update(fresh)
            waiting += [(producer, _use_before(marks, index, use)) for producer in fresh]
    return found


def _use_before(marks: Landmarks, index: int, use: Steers) -> Steers:
    """Return what the output of an operation is used as, given the use of a node that reads it."""
    name = marks.graph.names[index]
    if vocab.node(name).kind == "positions":
        return "affine"
    if use in ("affine", "transformation"):
        plain = name in vocab.LAYOUT and len(marks.graph.edges[index]) == 1
        return use if plain else "transformation"
    return "offsets" if name in vocab.ADDITIVE else use

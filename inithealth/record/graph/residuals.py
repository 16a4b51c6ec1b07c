"""Finds residual adds, which join a branch with weights and its trunk."""

from __future__ import annotations

from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.branch_search import SECOND_WEIGHT, WEIGHT, Chain, Edge, Search
from inithealth.record.graph.landmarks import Landmarks, Residual

_MOST_STEPS = 8  # nodes between attention scores and their softmax, or between a gate and its product
_MOST_END = 400  # a longer path without weights is not the end of a branch


def find_residuals(marks: Landmarks) -> None:
    """Fill in the residual adds of a graph, including those with projection shortcuts."""
    graph = marks.graph
    search = Search(marks)
    for index, name in enumerate(graph.names):
        if name not in vocab.ADDITIVE or graph.pure[index] is not None or index in marks.norms:
            continue
        sides = _sides(marks, index)
        if len(sides) != 2 or _biases_scores(marks, index):
            continue
        search.allow(index)
        same_size = graph.shape(*sides[0]) == graph.shape(*sides[1])
        chains = [search.chain(side, marks.dominators[index]) for side in sides]
        ways = [(chains[at], sides[1 - at][0]) for at in (0, 1) if graph.is_data(sides[1 - at][0])]
        if residual := next(filter(None, (_identity(search, index, *way) for way in ways)), None):
            marks.residuals[index] = residual
        elif projection := same_size and next(filter(None, (_projected(search, *way) for way in ways)), None):
            marks.projections[index] = projection


def _sides(marks: Landmarks, index: int) -> list[Edge]:
    """Return the operands of an add: signals, or one signal and a parameter of the same size, a learned trunk."""
    graph = marks.graph
    edges = graph.edges[index]
    sides = [edge for edge in edges if graph.is_data(edge[0])]
    if len(sides) != 1 or graph.names[index] != "Add":
        return sides
    rank = len(graph.shape(index))
    return [edge for edge in edges if edge in sides or (edge[0] >= 0 and len(graph.shape(*edge)) == rank > 1)]


def _biases_scores(marks: Landmarks, index: int) -> bool:
    """Return whether an add is a bias of attention scores, which is not a trunk even if many layers use it."""
    graph = marks.graph
    if not any(_product(marks, side) for side in graph.data(index)):
        return False
    for _ in range(_MOST_STEPS):
        readers = graph.readers(index)
        if len(readers) != 1:
            break
        index = readers[0][0]
        if graph.names[index] in vocab.SOFTMAX:
            return True
        if graph.names[index] not in vocab.LAYOUT | vocab.ARITHMETIC:
            break
    return False


def _product(marks: Landmarks, index: int) -> bool:
    """Return whether a signal is a product of two."""
    for _ in range(_MOST_STEPS):
        if index < 0 or marks.weighted(index):
            return False
        if marks.graph.names[index] in vocab.PRODUCTS:
            return True
        index = marks.before(index)
    return False


def _identity(search: Search, index: int, chain: Chain, branch: int) -> Residual | None:
    """Return the branch if its trunk has no weight parallel to it; otherwise None."""
    marks = search.marks
    if chain.end == marks.dominators[index] and not chain.selections:
        fork = chain.end
    elif _read_once(marks, branch, index):
        fork = search.fork(branch, chain, WEIGHT)
    else:
        return None
    ends = branch_ends(marks, branch, fork) if fork >= 0 else frozenset()
    return Residual(fork, chain.start, branch, ends) if ends else None


def _read_once(marks: Landmarks, branch: int, index: int) -> bool:
    """Return whether only the add reads a branch.

    If an embedding is added to the trunk repeatedly, the trunk looks like a branch of the embedding.
    """
    return all(reader == index for reader, _ in marks.graph.readers(branch))


def _projected(search: Search, chain: Chain, branch: int) -> Residual | None:
    """Return the branch if a single operation projects the trunk and the branch has at least two operations.

    Both operands must have the same size: a projected condition that is broadcast is not a trunk.
    """
    marks = search.marks
    shortcut = chain.end
    sources = [edge for edge in marks.graph.edges[shortcut] if marks.graph.is_data(edge[0])]
    if not marks.weighted(shortcut) or not sources:
        return None
    fork = search.fork(branch, search.chain(sources[0]), SECOND_WEIGHT, barred=shortcut)
    ends = branch_ends(marks, branch, fork) if fork >= 0 else frozenset()
    return Residual(fork, chain.start, branch, ends, shortcut) if ends else None


def branch_ends(marks: Landmarks, start: int, fork: int) -> frozenset[int]:
    """Return the operations from which the signal reaches ``start`` without another operation in between.

    For attention the values count, for a gate the gated signal: scores and gates only weigh a signal.
    """
    found: set[int] = set()
    stack, seen = [start], set[int]()
    while stack and len(seen) < _MOST_END:
        index = stack.pop()
        if index <= fork or index in seen:  # topological order: nodes upstream of the fork are not on the branch
            continue
        seen.add(index)
        if marks.weighted(index):
            found.add(index)
        else:
            stack += _signals(marks, index)
    return frozenset(found) if len(found) < 2 else frozenset(end for end in found if _comes_from(marks, end, fork))


def _comes_from(marks: Landmarks, node: int, fork: int) -> bool:
    """Return whether a node depends on the fork: a condition from elsewhere is not part of the branch."""
    stack, seen = [node], set[int]()
    while stack and len(seen) < _MOST_END:
        index = stack.pop()
        if index == fork:
            return True
        if index > fork and index not in seen:
            seen.add(index)
            stack += marks.graph.data(index)
    return bool(stack)


def _signals(marks: Landmarks, index: int) -> list[int]:
    graph, name = marks.graph, marks.graph.names[index]
    if name in vocab.ATTENTION:
        edges, values = graph.edges[index], vocab.node(name).at("value")
        return [edges[at][0] for at in values if graph.is_data(edges[at][0])]
    data = graph.data(index)
    if len(data) == 2 and (name in vocab.PRODUCTS or name in vocab.MULTIPLICATIVE):
        bounded = [producer for producer in data if _gates(marks, producer)]
        if len(bounded) == 1:
            return [producer for producer in data if producer not in bounded]
    return data


def _gates(marks: Landmarks, index: int) -> bool:
    """Return whether a signal is between 0 and 1: attention weights or a gate."""
    graph = marks.graph
    for _ in range(_MOST_STEPS):
        name = graph.names[index]
        if name in vocab.OPENINGS:
            return True
        if not graph.data(index) or name not in vocab.LAYOUT | vocab.POOLING | {"Div"}:
            return False
        index = graph.data(index)[0]  # the weights of selected experts may be divided by their sum
    return False

"""Searches a branch backwards for the place on the trunk where it leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from inithealth.record.graph import vocabulary as vocab
from inithealth.record.graph.landmarks import Landmarks
from inithealth.record.graph.slices import Selection, apart

_MOST_TRUNK = 32  # nodes without a weight that a trunk passes beside its branch
_MOST_BRANCH = 1000  # nodes of one branch, looked through for the fork
_STEPS_A_NODE = 2  # of all searches up to a node, so that their cost stays linear in the graph
# How far a search backwards through a branch has come.
_NOTHING, WEIGHT, _NON_LINEAR, SECOND_WEIGHT = range(4)

Edge = tuple[int, int]  # (producer, which of its outputs)


@dataclass(frozen=True)
class Chain:
    """The nodes a signal passes on its way back, each with one signal to read, up to and with the last."""

    start: int
    end: int
    lowest: int
    nodes: frozenset[int]
    selections: tuple[Selection, ...]  # where it is a part of a signal: another part is no trunk of this one


class Search:
    """Searches backwards through branches, within what all of them together may cost."""

    def __init__(self, marks: Landmarks) -> None:
        self.marks, self.left, self.allowed = marks, 0, 0

    def allow(self, index: int) -> None:
        """Allow for the searches at a node what those before have not spent."""
        allowed = _MOST_BRANCH + _STEPS_A_NODE * index
        self.left, self.allowed = self.left + allowed - self.allowed, allowed

    def chain(self, edge: Edge, last: int = -1) -> Chain:
        """The way back from an edge to a weight, a join of signals or the last node wanted."""
        graph, nodes, selections = self.marks.graph, list[int](), list[Selection]()
        while edge[0] >= 0 and len(nodes) < _MOST_TRUNK:
            index, output = edge
            nodes.append(index)
            if graph.names[index] in vocab.SELECTING:
                selections.append(Selection(index, output))
            if index == last or self.marks.weighted(index):
                break
            edge = self._earlier(index)
        return Chain(nodes[0], nodes[-1], min(nodes), frozenset(nodes), tuple(selections))

    def _earlier(self, index: int) -> Edge:
        graph = self.marks.graph
        if graph.pure[index] is not None:
            return graph.edges[index][0] if len(graph.edges[index]) == 1 else (-1, 0)
        joined = self.marks.residuals.get(index)
        if joined is not None:  # the trunk goes on behind another branch
            return next(edge for edge in graph.edges[index] if edge[0] == joined.trunk)
        before = self.marks.before(index)
        return next((edge for edge in graph.edges[index] if edge[0] == before >= 0), (-1, 0))

    def fork(self, branch: int, chain: Chain, wanted: int, barred: int = -1) -> int:
        """The node of the chain that a branch comes from, having passed what is wanted; -1 where there is none.

        Args:
            barred: a node that the branch may not pass.
        """
        graph, selections = self.marks.graph, chain.selections
        stack, seen = [(branch, _NOTHING)], set[tuple[int, int]]()
        while stack and self.left > 0 and len(seen) < _MOST_BRANCH:
            state = stack.pop()
            if state in seen:
                continue
            seen.add(state)
            self.left -= 1
            index, passed = state[0], self._passed(*state)
            for producer, output in self._edges(index):
                if producer < chain.lowest or (selections and apart(graph, selections, index, producer, output)):
                    continue
                if producer not in chain.nodes:
                    if graph.pure[producer] is None and producer != barred:
                        stack.append((producer, passed))
                elif passed >= wanted:
                    return producer
        return -1

    def _edges(self, index: int) -> Sequence[Edge]:
        """Where a signal comes from; across a branch within this one, whose conditions are none of this one's trunk."""
        residual = self.marks.residuals.get(index) or self.marks.projections.get(index)
        return self.marks.graph.edges[index] if residual is None else ((residual.fork, 0),)

    def _passed(self, index: int, passed: int) -> int:
        if index in self.marks.residuals or index in self.marks.projections:
            return SECOND_WEIGHT
        if self.marks.weighted(index):
            return passed + 1 if passed in (_NOTHING, _NON_LINEAR) else passed
        if passed == WEIGHT and (index in self.marks.norms or self.marks.graph.names[index] in vocab.NON_LINEAR):
            return _NON_LINEAR
        return passed

"""The paths of the signal through a graph: dominators, and nodes that no skip connection bypasses."""

from __future__ import annotations

from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.graph import Graph

_MOST_CONSTANT = 64  # nodes that are followed from a factor of several products
_KEEPS_ZERO = vocab.LAYOUT | vocab.POOLING | frozenset({"Add", "Sub", "Relu", "Gelu", "Silu", "Tanh", "LeakyRelu"})
_WAYS_TO_PRODUCTS = vocab.LAYOUT | vocab.MULTIPLICATIVE | vocab.PRODUCTS - {"Addmm"}


def peel(graph: Graph, index: int) -> int:
    """Return the node whose values these are, before views and copies."""
    while index >= 0 and graph.names[index] in vocab.LAYOUT and len(graph.data(index)) == 1:
        index = graph.data(index)[0]
    return index


def immediate_dominators(graph: Graph) -> list[int]:
    """Return for each node the last node on all paths from the inputs to it; -1 if there is none."""
    tree = _Tree(len(graph))
    for index in range(len(graph)):
        sources = graph.data(index) if graph.pure[index] is None else []
        if sources:
            tree.place(index, sources)
    return tree.parent


def immediate_post_dominators(graph: Graph) -> list[int]:
    """Return for each node the next node on all its paths to the loss; -1 at the loss."""
    tree = _Tree(len(graph))
    for index in reversed(range(len(graph))):
        readers = [reader for reader, _ in graph.readers(index)] if graph.pure[index] is None else []
        if readers:
            tree.place(index, readers)
    return tree.parent


class _Tree:
    """A forest that is built leaf by leaf and finds nearest common ancestors in logarithmic time.

    Each node has a link to its parent and a jump link: Myers 1983, "An applicative random-access stack".
    """

    def __init__(self, count: int) -> None:
        self.parent, self.jump, self.depth = [-1] * count, list(range(count)), [0] * count

    def place(self, node: int, others: list[int]) -> None:
        """Add a node below the nearest common ancestor of others."""
        parent = others[0]
        for other in others[1:]:
            if parent < 0:
                return
            parent = self._meet(parent, other)
        if parent < 0:
            return
        far = self.jump[parent]
        even = self.depth[parent] - self.depth[far] == self.depth[far] - self.depth[self.jump[far]]
        self.parent[node], self.depth[node] = parent, self.depth[parent] + 1
        self.jump[node] = self.jump[far] if even else parent

    def _meet(self, one: int, other: int) -> int:
        """Return the nearest common ancestor; -1 if there is none."""
        jump, parent, depth = self.jump, self.parent, self.depth
        if depth[one] < depth[other]:
            one, other = other, one
        while depth[one] > depth[other]:
            one = jump[one] if depth[jump[one]] >= depth[other] else parent[one]
        while one != other:
            if depth[one] == 0:
                return -1
            one, other = (jump[one], jump[other]) if jump[one] != jump[other] else (parent[one], parent[other])
        return one


def essential_nodes(graph: Graph, after: list[int]) -> set[int]:
    """Return the nodes without which some input could not reach the loss: no skip connection bypasses them.

    A node on all paths from some input to the loss is essential. So is a node that alone feeds one factor of an
    essential product (a gate), because a zero factor blocks the signal, and a factor of several products that leave
    nothing else.

    Args:
        after: immediate post-dominators.
    """
    essential: set[int] = set()
    for index in range(len(graph)):
        if graph.pure[index] is None and not graph.data(index):  # an input
            while index >= 0 and index not in essential:
                essential.add(index)
                index = after[index]
    for index in reversed(range(len(graph))):
        if graph.pure[index] is None and index not in essential:
            readers = graph.readers(index)
            if len(readers) == 1:
                if readers[0][0] in essential and _stops(graph, *readers[0]):
                    essential.add(index)
            elif readers and all(graph.names[reader] in _WAYS_TO_PRODUCTS for reader, _ in readers):
                essential |= {index} if _zero_blocks(graph, index, essential) else set()
    return essential


def _zero_blocks(graph: Graph, index: int, essential: set[int]) -> bool:
    """Return whether zeros at a node that is a factor of several products make an essential node constant."""
    zero, constant, waiting = {index}, {index}, {reader for reader, _ in graph.readers(index)}
    for _ in range(_MOST_CONSTANT):
        if not waiting:
            return False
        node = min(waiting)  # the order of the nodes: its operands come before it
        waiting.remove(node)
        factor = graph.names[node] in vocab.MULTIPLICATIVE | vocab.PRODUCTS - {"Addmm"}
        if factor and not zero.isdisjoint(graph.data(node)):
            zero.add(node)
        elif not constant.issuperset(graph.data(node)):
            continue
        elif graph.names[node] in _KEEPS_ZERO and zero.issuperset(graph.data(node)):
            zero.add(node)
        if node in essential:
            return True
        constant.add(node)
        waiting.update(reader for reader, _ in graph.readers(node))
    return False


def _stops(graph: Graph, reader: int, operand: int) -> bool:
    """Return whether the output of a node is zero if one of its operands is zero."""
    name = graph.names[reader]
    if name in vocab.SOFTMAX:  # zero scores become equal weights
        return False
    if name in vocab.ATTENTION:
        return vocab.node(name).role(operand) == "value"  # the values are summed; queries and keys are compared
    return len(graph.data(reader)) < 2 or name in vocab.MULTIPLICATIVE or name in vocab.PRODUCTS - {"Addmm"}

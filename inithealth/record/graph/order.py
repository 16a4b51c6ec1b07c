"""The nodes of an autograd graph in topological order, and their names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from torch.autograd.graph import Node

from inithealth.record.collection import collection_paused
from inithealth.record.graph import node_groups as vocab

_WHOLE_NAMES = frozenset({"CopySlices", "CopyBackwards", "AccumulateGrad", "GraphRoot"})


@lru_cache(maxsize=1024)
def base_name(name: str) -> str:
    """Return a node's name without namespace and ``Backward0``: ``torch::autograd::AddmmBackward0`` -> ``Addmm``."""
    name = name.rsplit("::", 1)[-1]
    return name if name in _WHOLE_NAMES else re.sub(r"Backward\d*$|BackwardS$", "", name)


@dataclass(frozen=True)
class Order:
    """Nodes in topological order, inputs first, with each operand's (producer, output); producer -1 is a constant."""

    nodes: list[Node]
    names: list[str]
    edges: list[list[tuple[int, int]]]


def _name(node: Node) -> str:
    name = base_name(node.name())
    if name == "CopySlices":  # an in-place operation on a view: the operation is inside
        inner = getattr(node, "_wrapped_node", None)
        if inner is not None and base_name(inner.name()) in vocab.ACTIVATIONS | vocab.ARITHMETIC:
            return base_name(inner.name())
    return name


def order(roots: Sequence[Node]) -> Order:
    """Return all nodes that the roots (``grad_fn`` of a loss, or of several outputs) depend on."""
    with collection_paused():
        return _ordered(roots)


def _ordered(roots: Sequence[Node]) -> Order:
    raw: dict[Node, tuple[tuple[Node | None, int], ...]] = {}
    stack = list(dict.fromkeys(roots))
    for root in stack:
        raw[root] = ()
    readers = dict.fromkeys(stack, 0)
    while stack:
        node = stack.pop()
        raw[node] = node.next_functions
        for producer, _ in raw[node]:
            if producer is None:
                continue
            readers[producer] = readers.get(producer, 0) + 1
            if producer not in raw:
                raw[producer] = ()
                stack.append(producer)
    found = [node for node, count in readers.items() if count == 0]
    for node in found:  # it grows during the iteration, from the loss backwards
        for producer, _ in raw[node]:
            if producer is not None:
                readers[producer] -= 1
                if readers[producer] == 0:
                    found.append(producer)
    found.reverse()
    place = {node: index for index, node in enumerate(found)}
    edges = [[(-1 if p is None else place[p], output) for p, output in raw[node]] for node in found]
    return Order(found, [_name(node) for node in found], edges)

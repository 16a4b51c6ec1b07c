"""Constants at exactly zero, and the nodes that get no gradient because of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.gradient_paths import reaching
from inithealth.record.graph.graph import Graph
from inithealth.theory.activation_table import BY_NAME

_MASKS = {"Where": "condition", "MaskedFill": "mask"}  # the saved mask
_WRITES = frozenset("IndexPut IndexAdd IndexCopy Scatter ScatterAdd ScatterReduce MaskedScatter CopySlices".split())
_AT_ZERO = (
    "relu",
    "leaky_relu",
    "prelu",
    "elu",
    "selu",
    "gelu",
    "silu",
    "mish",
    "tanh",
    "hardtanh",
    "hardswish",
    "relu6",
)
_THROUGH_ZERO = frozenset(node for name in _AT_ZERO for node in BY_NAME[name].nodes)
# Nodes whose output is zero if all their operands are.
_KEEPS_ZERO = (vocab.LAYOUT - _WRITES - _MASKS.keys()) | vocab.POOLING | vocab.ADDITIVE | _THROUGH_ZERO

Place = tuple[int, int]  # (node, operand)


@dataclass(frozen=True)
class Zero:
    """A constant operand at exactly zero."""

    place: Place
    tensor: Tensor


def zero_constants(graph: Graph, most: int | None) -> list[Zero]:
    """Return the constant operands that multiply a signal or a weight by zero.

    Args:
        most: elements of a constant that is read; None reads all.
    """
    found = [Zero(*each) for each in _constants(graph) if most is None or each[1].numel() <= most]
    if not found:
        return []
    filled = torch.stack([zero.tensor.any().to(found[0].tensor.device) for zero in found]).tolist()
    return [zero for zero, nonzero in zip(found, filled, strict=True) if not nonzero]


def _constants(graph: Graph) -> Iterator[tuple[Place, Tensor]]:
    for index, name in enumerate(graph.names):
        if name in _MASKS:
            mask = graph.saved(index, _MASKS[name])
            if isinstance(mask, Tensor) and mask.dtype is torch.bool and mask.numel():
                kept = (mask, ~mask) if name == "Where" else (~mask,)  # by operand
                yield from (((index, operand), each) for operand, each in enumerate(kept))
            continue
        saved = vocab.node(name).saved
        for operand in _factors(name):
            if operand < len(saved) and operand < len(graph.edges[index]) and graph.edges[index][operand][0] < 0:
                constant = graph.saved(index, saved[operand])
                if isinstance(constant, Tensor) and constant.numel():
                    yield (index, operand), constant


def _factors(name: str) -> tuple[int, ...]:
    """Return the operands of a node that multiply each other."""
    row = vocab.node(name)
    if row.kind == "multiplicative":
        return row.at("scale")
    return row.at("query", "key", "value") if name in vocab.ATTENTION else row.at("factor")


def scales_signal(graph: Graph, place: Place) -> bool:
    """Return whether an operand multiplies a signal, and not only weights."""
    node, operand = place
    others = [graph.edges[node][at][0] for at in _factors(graph.names[node]) if at != operand]
    return graph.names[node] in _MASKS or any(graph.is_data(producer) for producer in others)


def is_matrix(graph: Graph, place: Place) -> bool:
    """Return whether an operand is a factor of a matrix product or a convolution."""
    return bool(vocab.node(graph.names[place[0]]).at("factor"))


def without_gradient(graph: Graph, places: Collection[Place], leaves: Collection[int]) -> set[str]:
    """Return the parameters that get no gradient because some constants are zero.

    Args:
        places: the operands that are zero.
        leaves: nodes of frozen parameters that are zero.
    """
    cut = _cut(graph, set(places), set(leaves))
    if not cut:
        return set()
    reaches = reaching(graph, lambda _, reader, operand: (reader, operand) in cut)
    return {name for index, name in graph.parameters.items() if not reaches[index] and index not in leaves}


def _cut(graph: Graph, places: set[Place], leaves: set[int]) -> set[Place]:
    """Return the operands that get no gradient: those that are multiplied by zero, also by a zero signal."""
    zero = [False] * len(graph)
    cut: set[Place] = set()
    for index, name in enumerate(graph.names):
        if index in leaves:
            zero[index] = True
            continue
        edges = graph.edges[index]
        held = {at for at, (producer, _) in enumerate(edges) if (index, at) in places or _is(zero, producer)}
        if not held:
            continue
        if name in _MASKS:
            cut |= {(index, at) for at in held if (index, at) in places}
            continue
        zeros = held.intersection(_factors(name))
        if zeros:
            cut |= {(index, at) for at in _multiplied(name, zeros)}
            zero[index] = _is_product(graph, index, zeros, held)
        else:
            sources = [at for at, (producer, _) in enumerate(edges) if producer >= 0 or name in vocab.ADDITIVE]
            zero[index] = name in _KEEPS_ZERO and held.issuperset(sources)
    return cut


def _multiplied(name: str, zeros: set[int]) -> set[int]:
    """Return the operands that are multiplied by one of the zero factors of a node."""
    row, factors = vocab.node(name), set(_factors(name))
    if name in vocab.ATTENTION:  # queries and keys multiply each other, and all scores the values
        scored = set(row.at("query", "key"))
        return scored if zeros - scored else {at for at in scored if zeros - {at}}
    return {at for at in factors | set(row.at("divisor")) if zeros - {at}}


def _is(zero: list[bool], producer: int) -> bool:
    return producer >= 0 and zero[producer]


def _is_product(graph: Graph, index: int, zeros: set[int], held: set[int]) -> bool:
    """Return whether an operation with a zero factor has a zero output: it adds no bias, and its values are zero."""
    row = vocab.node(graph.names[index])
    if graph.names[index] in vocab.ATTENTION:
        return bool(zeros.intersection(row.at("value")))
    biased = [at for at in row.at("bias", "input") if at not in held]
    if row.kind == "conv":
        return graph.saved(index, "bias_sym_sizes_opt") is None
    return not biased

"""What the output of a node meets: an activation, a norm, a residual add, another layer, the loss."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from torch import Tensor

from inithealth.record.graph import vocabulary as vocab
from inithealth.record.graph.activation_nodes import activation
from inithealth.record.graph.dominators import peel
from inithealth.record.graph.graph import Graph
from inithealth.record.graph.landmarks import Landmarks
from inithealth.recording import Feeds

_MOST_TARGETS = 4  # an output read by more things than that is told by the first few
_PARTS = {"query": "q", "key": "k", "value": "v", "mask": "bias"}  # of an attention, and what a target calls them


@dataclass(frozen=True)
class Target:
    """What an output meets: ("activation", "relu", node)."""

    what: Feeds
    name: str
    node: int
    parameters: tuple[float, ...] = ()  # of an activation, where they are not torch's defaults
    scale: float = 1.0  # the constant that the output is multiplied by before


Meets = list[tuple[Target, ...]]  # by node; those of a node's readers are known before its own


def targets(marks: Landmarks, meets: Meets, index: int, readers: Iterable[tuple[int, int]]) -> tuple[Target, ...]:
    """What a node's output meets at some of its (reader, operand)."""
    found: dict[tuple[str, str], Target] = {}
    for reader, operand in readers:
        for target in _met(marks, meets, index, reader, operand):
            found[target.what, target.name] = target
        if len(found) >= _MOST_TARGETS:
            break
    return tuple(found.values())


def _met(marks: Landmarks, meets: Meets, index: int, reader: int, operand: int) -> tuple[Target, ...]:
    """What is met at a reader: itself, or, where it lets the signal pass, what comes after it."""
    graph, name = marks.graph, marks.graph.names[reader]
    if reader in marks.norms:
        return (Target("norm", name, reader),) if marks.norms[reader] == index else ()
    role = vocab.node(name).role(operand)
    if role == "place":  # it says where to read another operand: its size is none of a signal
        return ()
    if reader in marks.operations and marks.operations[reader].kind != "scale":
        return (Target("layer", marks.operations[reader].kind, reader),)
    if name in vocab.ATTENTION:
        return (Target("attention", _PARTS.get(role, "bias"), reader),)
    if name in vocab.LOSSES or (name in vocab.LOG_SOFTMAX and not marks.leads_on[reader]):
        return (Target("loss", name, reader),)
    if name in vocab.OPERATIONS:  # two signals multiplied
        return (Target("attention", _part(graph, reader, operand), reader),)
    found = activation(graph, reader)
    if found is not None:
        return (Target("activation", found[0].name, reader, found[1]),)
    if name in vocab.STATISTIC and any(marks.norms.get(other) == index for other, _ in graph.readers(index)):
        return ()  # on its way into the statistics of a norm
    if reader in marks.residuals and peel(graph, marks.residuals[reader].branch) == peel(graph, index):
        return (Target("residual", name, reader),)
    if name in vocab.MULTIPLICATIVE and len(graph.data(reader)) > 1:
        return (Target("gate", name, reader),)
    beyond = meets[reader] or (Target("loss", "output", reader),)
    scale = _constant_factor(graph, reader)
    return beyond if scale == 1.0 else tuple(replace(target, scale=target.scale * scale) for target in beyond)


def _part(graph: Graph, product: int, operand: int) -> str:
    """Which part of an attention one side of a product of two signals is."""
    other = [producer for at, (producer, _) in enumerate(graph.edges[product]) if at != operand][-1]
    weighed = other >= 0 and graph.names[peel(graph, other)] in vocab.SOFTMAX
    return "v" if weighed else "q" if operand == len(graph.edges[product]) - 2 else "k"


def _constant_factor(graph: Graph, index: int) -> float:
    """The number that a node multiplies the signal by; 1 for every other node."""
    if graph.names[index] not in ("Mul", "Div") or all(producer >= 0 for producer, _ in graph.edges[index]):
        return 1.0
    factor = graph.saved(index, "other")
    if not isinstance(factor, Tensor) or factor.numel() != 1 or not float(factor):
        return 1.0
    return abs(float(factor)) if graph.names[index] == "Mul" else 1 / abs(float(factor))

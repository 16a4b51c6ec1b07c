"""The targets of a node's output: an activation, a norm, a residual add, another layer, the loss."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from torch import Tensor

from inithealth.layer_uses import Feeds
from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.activation_nodes import activation
from inithealth.record.graph.dominators import peel
from inithealth.record.graph.graph import Graph
from inithealth.record.graph.landmarks import Landmarks
from inithealth.recorded_tensor import LARGEST, SMALLEST

_MOST_TARGETS = 4  # of outputs with more readers, only the first targets are recorded
_PARTS = {"query": "q", "key": "k", "value": "v", "mask": "bias"}  # roles in attention, and their names in a target


@dataclass(frozen=True)
class Target:
    """The target of an output: ("activation", "relu", node)."""

    what: Feeds
    name: str
    node: int
    parameters: tuple[float, ...] = ()  # of an activation, if they are not torch's defaults
    scale: float = 1.0  # constant factor between the output and the target


Meets = list[tuple[Target, ...]]  # by node; computed from the loss backwards


def targets(marks: Landmarks, meets: Meets, index: int, readers: Iterable[tuple[int, int]]) -> tuple[Target, ...]:
    """Return the targets of a node's output at some of its (reader, operand)."""
    found: dict[tuple[str, str], Target] = {}
    for reader, operand in readers:
        for target in _met(marks, meets, index, reader, operand):
            found[target.what, target.name] = target
        if len(found) >= _MOST_TARGETS:
            break
    return tuple(found.values())


def _met(marks: Landmarks, meets: Meets, index: int, reader: int, operand: int) -> tuple[Target, ...]:
    """Return the target at a reader: the reader itself, or its targets if it passes the signal on."""
    graph, name = marks.graph, marks.graph.names[reader]
    if reader in marks.norms:
        return (Target("norm", name, reader),) if marks.norms[reader] == index else ()
    role = vocab.node(name).role(operand)
    if role == "place":
        return (Target("positions", name, reader),)
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
        return ()  # input of the statistics of a norm
    if reader in marks.residuals and peel(graph, marks.residuals[reader].branch) == peel(graph, index):
        return (Target("residual", name, reader),)
    if name in vocab.MULTIPLICATIVE and len(graph.data(reader)) > 1:
        return (Target("gate", name, reader),)
    beyond = meets[reader] or (Target("loss", "output", reader),)
    scale = constant_factor(graph, reader)
    if scale == 1.0:
        return beyond
    return tuple(replace(target, scale=min(max(target.scale * scale, SMALLEST), LARGEST)) for target in beyond)


def _part(graph: Graph, product: int, operand: int) -> str:
    """Return the role in attention of one side of a product of two signals."""
    other = [producer for at, (producer, _) in enumerate(graph.edges[product]) if at != operand][-1]
    weighed = other >= 0 and graph.names[peel(graph, other)] in vocab.SOFTMAX
    return "v" if weighed else "q" if operand == len(graph.edges[product]) - 2 else "k"


def constant_factor(graph: Graph, index: int) -> float:
    """Return the constant by which a node multiplies the signal; 1 for other nodes."""
    if graph.names[index] not in ("Mul", "Div") or all(producer >= 0 for producer, _ in graph.edges[index]):
        return 1.0
    factor = graph.saved(index, "other")
    if not isinstance(factor, Tensor) or factor.numel() != 1 or not float(factor):
        return 1.0
    size = abs(float(factor))
    if not math.isfinite(size):  # it breaks the signal, whatever the scale of the weights
        return 1.0
    return size if graph.names[index] == "Mul" else 1 / size

"""The operands of an operation, its signal and its weight, from the tensors that its node saved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.flow import Flow
from inithealth.record.graph.graph import Graph
from inithealth.record.graph.operations import Operation
from inithealth.record.statistics.exact import between_share


@dataclass(frozen=True)
class Operands:
    """The operands in the order of the product: signal @ weight, or weight @ signal."""

    signal: Tensor
    weight: Tensor
    weight_first: bool


def operands(flow: Flow, index: int, parameter: Callable[[str], Tensor | None]) -> Operands | None:
    """Return the operands; None if they were not saved (a frozen input, a fused layer)."""
    graph, operation = flow.graph, flow.operations[index]
    saved = vocab.node(graph.names[index]).kept_factors
    signal = signal_of(graph, operation)
    if not saved or operation.operand is None or signal is None:
        return None
    weight = graph.saved(index, saved[operation.operand])
    if weight is None and not operation.transformed:
        weight = _laid_out(graph, operation, parameter(operation.weights[0]))
    if not isinstance(weight, Tensor):
        return None
    if "turned" in vocab.node(graph.names[index]).traits:  # it saves the weight as [out, in]
        return Operands(signal, weight.mT, False)
    return Operands(signal, weight, operation.kind != "conv" and operation.operand == min(saved))


def signal_of(graph: Graph, operation: Operation) -> Tensor | None:
    """Return the input of an operation; None if it was not saved."""
    saved = vocab.node(graph.names[operation.node]).kept_factors
    if not saved or operation.operand is None:
        return None
    signal = graph.saved(operation.node, saved[next(at for at in saved if at != operation.operand)])
    return signal if isinstance(signal, Tensor) else None


def operand_tensor(graph: Graph, operation: Operation) -> Tensor | None:
    """Return the weight that an operation used, such as the product of weight norm; None if it was not saved."""
    saved = vocab.node(graph.names[operation.node]).kept_factors
    if not saved or operation.operand is None:
        return None
    used = graph.saved(operation.node, saved[operation.operand])
    return used if isinstance(used, Tensor) else None


def _laid_out(graph: Graph, operation: Operation, weight: Tensor | None) -> Tensor | None:
    """Return a parameter in the layout of the operation: transposed if the graph transposes it."""
    producer, output = graph.edges[operation.node][operation.operand or 0]
    if weight is None or producer in graph.parameters:
        return None if weight is None else weight.detach()
    if weight.ndim != 2 or operation.unit_axis is None:
        return None
    units_last = operation.operand != 0 and "turned" not in vocab.node(graph.names[operation.node]).traits
    laid_out = weight.detach() if (operation.unit_axis == 1) == units_last else weight.detach().t()
    shape = graph.shape(producer, output)
    return laid_out.expand(shape) if laid_out.shape == shape[-2:] else None


def between_inputs(flow: Flow, index: int, rows: int | None) -> float | None:
    """Return the share of the mean square of an operation's input that differs between samples."""
    signal = signal_of(flow.graph, flow.operations[index])
    return None if signal is None else between_share(signal[:rows])


@dataclass(frozen=True)
class Constant:
    """An operand without gradient: an input, or a detached tensor."""

    address: int
    storage: int
    shape: tuple[int, ...]


def constants(flow: Flow) -> list[Constant]:
    """Return the constant operands of the operations of a graph."""
    found = []
    for index, operation in flow.operations.items():
        saved = vocab.node(flow.graph.names[index]).kept_factors
        if not saved or operation.operand is None:
            continue
        at = next(at for at in saved if at != operation.operand)
        signal = signal_of(flow.graph, operation) if flow.graph.edges[index][at][0] < 0 else None
        if signal is not None and signal.layout == torch.strided:
            found.append(Constant(signal.data_ptr(), signal.untyped_storage().data_ptr(), tuple(signal.shape)))
    return found

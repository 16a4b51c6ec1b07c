"""Recomputes the output of a node from its saved tensors, for operations without a module hook."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from inithealth.layer_kinds import ELEMENTWISE
from inithealth.record.graph.flow import Flow
from inithealth.record.graph.graph import Graph
from inithealth.record.graph.operations import Operation
from inithealth.record.saved.operands import operand_tensor as operand_tensor
from inithealth.record.saved.operands import operands
from inithealth.record.statistics.prediction import predicted_rms


@dataclass(frozen=True)
class Replayed:
    input: Tensor | None
    output: Tensor


@torch.no_grad()
def forward(flow: Flow, index: int, parameter: Callable[[str], Tensor | None], rows: int | None) -> Replayed | None:
    """Return an operation's input and its recomputed output; for the first ``rows`` of the batch only, if given.

    None if the operands were not saved (a frozen input, a fused layer).
    """
    graph, operation = flow.graph, flow.operations[index]
    name = graph.names[index]
    bias = parameter(operation.bias) if operation.bias else None
    if name == "Embedding":
        weight, indices = parameter(operation.weights[0]), graph.saved(index, "indices")
        if weight is None or indices is None:
            return None
        return Replayed(None, torch.nn.functional.embedding(indices[:rows], weight))
    if operation.kind in ELEMENTWISE:
        return _scaled(graph, index, operation, parameter)
    fed = operands(flow, index, parameter)
    if fed is None:
        return None
    signal, weight = fed.signal, fed.weight.to(fed.signal.dtype)  # autocast saves some without casting
    bias = None if bias is None else bias.to(signal.dtype)
    if operation.kind == "conv":
        return convolved(graph, index, signal[:rows], weight, bias)
    if fed.weight_first:
        return Replayed(signal, torch.matmul(weight, signal))
    signal = signal[:rows] if signal.ndim == 2 else signal
    if signal.shape[-1] != weight.shape[-2]:
        return None  # an operation of a backward pass in the graph
    output = torch.matmul(signal, weight)
    return Replayed(signal, output if bias is None or bias.ndim != 1 else output + bias)


def _scaled(
    graph: Graph, index: int, operation: Operation, parameter: Callable[[str], Tensor | None]
) -> Replayed | None:
    """Recompute a layer norm or a product with a learned scale."""
    if graph.names[index] == "Mul":
        factors = [graph.saved(index, name) for name in ("self", "other")]
        if all(isinstance(factor, Tensor) for factor in factors):
            return Replayed(None, factors[0] * factors[1])
        return None
    signal, shape = graph.saved(index, "input"), graph.saved(index, "normalized_shape")
    if not isinstance(signal, Tensor) or shape is None:
        return None
    bias = parameter(operation.bias) if operation.bias else None
    normalized = torch.nn.functional.layer_norm(signal, tuple(shape), parameter(operation.weights[0]), bias)
    return Replayed(signal, normalized)


def convolved(graph: Graph, index: int, signal: Tensor, weight: Tensor, bias: Tensor | None) -> Replayed:
    def option(name: str) -> Any:
        return graph.saved(index, name)

    output = torch.convolution(
        signal,
        weight,
        None if bias is None else bias.detach(),
        option("stride"),
        option("padding"),
        option("dilation"),
        bool(option("transposed")),
        option("output_padding"),
        int(option("groups")),
    )
    return Replayed(signal, output)


@torch.no_grad()
def predicted(flow: Flow, index: int, parameter: Callable[[str], Tensor | None]) -> float | None:
    """Return the output rms predicted from the weights and the statistics of the input; None without operands."""
    graph, operation = flow.graph, flow.operations[index]
    bias = parameter(operation.bias) if operation.bias else None
    if graph.names[index] == "Embedding":
        weight, indices = parameter(operation.weights[0]), graph.saved(index, "indices")
        return None if weight is None or indices is None else predicted_rms("embedding", indices, weight)
    fed = operands(flow, index, parameter)
    if fed is None or operation.kind in ("embedding", "bilinear") or (fed.weight_first and fed.signal.ndim > 2):
        return None
    if operation.kind == "conv":
        sliding = {name: graph.saved(index, name) for name in ("stride", "padding", "dilation", "output_padding")}
        turned = bool(graph.saved(index, "transposed"))
        groups = int(graph.saved(index, "groups"))
        return predicted_rms("conv", fed.signal, fed.weight, bias, groups=groups, transposed=turned, **sliding)
    signal = fed.signal.mT if fed.weight_first and fed.signal.ndim == 2 else fed.signal
    return predicted_rms(operation.kind, signal, fed.weight, bias, units_last=not fed.weight_first)

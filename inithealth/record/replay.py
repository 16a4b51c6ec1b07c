"""What a node computed, from the tensors that it saved: for operations that no module hook saw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import Node

from inithealth.record import vocabulary as vocab
from inithealth.record.flow import Flow
from inithealth.record.graph import Graph, base_name
from inithealth.record.operations import Operation
from inithealth.record.paths import peel
from inithealth.record.sample import between_share, plain
from inithealth.recording import Loss

_SPREAD_ROWS = 16  # samples that the spread of the logits is measured on in a live step
_LOSS_NODES = 64  # how far behind the loss its kind is looked for

# Which saved tensor is which operand.
_SAVED = {
    "Addmm": {1: "mat1", 2: "mat2"},
    "Mm": {0: "self", 1: "mat2"},
    "Bmm": {0: "self", 1: "mat2"},
    "Baddbmm": {1: "batch1", 2: "batch2"},
    "Mv": {0: "self", 1: "vec"},
    "Convolution": {0: "input", 1: "weight"},
    "Linear": {0: "input", 1: "weight"},
}


@dataclass(frozen=True)
class Replayed:
    input: Tensor | None
    output: Tensor


@torch.no_grad()
def forward(flow: Flow, index: int, parameter: Callable[[str], Tensor | None], rows: int | None) -> Replayed | None:
    """An operation's input and output, computed again; from the first ``rows`` of the batch where given.

    None for operations whose operands were not saved (a frozen input, a fused layer).
    """
    graph, operation = flow.graph, flow.operations[index]
    name = graph.names[index]
    bias = parameter(operation.bias) if operation.bias else None
    if name == "Embedding":
        weight, indices = parameter(operation.weights[0]), graph.saved(index, "indices")
        if weight is None or indices is None:
            return None
        return Replayed(None, torch.nn.functional.embedding(indices[:rows], weight))
    if operation.kind in ("norm", "scale"):
        return _scaled(graph, index, operation, parameter)
    saved = _SAVED.get(name)
    if saved is None or operation.operand is None:
        return None
    signal_at = next(at for at in saved if at != operation.operand)
    signal = graph.saved(index, saved[signal_at])
    weight = graph.saved(index, saved[operation.operand])
    if weight is None and not operation.transformed:
        weight = _laid_out(graph, operation, parameter(operation.weights[0]))
    if signal is None or weight is None:
        return None
    if operation.kind == "conv":
        return _convolved(graph, index, signal[:rows], weight, bias)
    if operation.operand == min(saved) and name != "Linear":
        return Replayed(signal, torch.matmul(weight, signal))
    signal = signal[:rows] if signal.ndim == 2 else signal
    if signal.shape[-1] != weight.shape[-2]:
        return None  # a step of a backward pass that is itself part of the graph
    output = torch.matmul(signal, weight)
    return Replayed(signal, output if bias is None or bias.ndim != 1 else output + bias)


def _scaled(
    graph: Graph, index: int, operation: Operation, parameter: Callable[[str], Tensor | None]
) -> Replayed | None:
    """A layer norm, or a product with a learned scale."""
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


def operand_tensor(graph: Graph, operation: Operation) -> Tensor | None:
    """The weight as an operation used it: the product of weight norm, spectral norm and the like."""
    saved = _SAVED.get(graph.names[operation.node])
    if saved is None or operation.operand is None:
        return None
    used = graph.saved(operation.node, saved[operation.operand])
    return used if isinstance(used, Tensor) else None


def _laid_out(graph: Graph, operation: Operation, weight: Tensor | None) -> Tensor | None:
    """A parameter as its operation takes it: turned where the graph turned it."""
    producer, output = graph.edges[operation.node][operation.operand or 0]
    if weight is None or producer in graph.parameters:
        return None if weight is None else weight.detach()
    if weight.ndim != 2 or operation.unit_axis is None:
        return None
    units_last = operation.operand != 0 and graph.names[operation.node] != "Linear"
    laid_out = weight.detach() if (operation.unit_axis == 1) == units_last else weight.detach().t()
    shape = graph.shape(producer, output)
    return laid_out.expand(shape) if laid_out.shape == shape[-2:] else None


def _convolved(graph: Graph, index: int, signal: Tensor, weight: Tensor, bias: Tensor | None) -> Replayed:
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


def between_inputs(flow: Flow, index: int, rows: int | None) -> float | None:
    """Share of the mean square of an operation's input that differs from sample to sample."""
    saved = _SAVED.get(flow.graph.names[index])
    operand = flow.operations[index].operand
    if saved is None or operand is None:
        return None
    signal = flow.graph.saved(index, saved[next(at for at in saved if at != operand)])
    return between_share(signal[:rows]) if isinstance(signal, Tensor) else None


@dataclass(frozen=True)
class Constant:
    """A signal that an operation reads though no gradient goes back to it: an input, or what was detached."""

    address: int
    storage: int
    shape: tuple[int, ...]


def constants(flow: Flow) -> list[Constant]:
    """The constant signals that a graph's operations read."""
    found = []
    for index, operation in flow.operations.items():
        saved = _SAVED.get(flow.graph.names[index])
        if saved is None or operation.operand is None:
            continue
        at = next(at for at in saved if at != operation.operand)
        signal = flow.graph.saved(index, saved[at]) if flow.graph.edges[index][at][0] < 0 else None
        if isinstance(signal, Tensor) and signal.layout == torch.strided:
            found.append(Constant(signal.data_ptr(), signal.untyped_storage().data_ptr(), tuple(signal.shape)))
    return found


def loss_of(flow: Flow, rows: int | None) -> Loss:
    """Which loss it is and how far its logits spread, from the last nodes of the graph."""
    graph = flow.graph
    for index in reversed(range(len(graph))):
        if graph.pure[index] is not None:
            continue
        name = graph.names[index]
        if name in vocab.LOSSES:
            kind = vocab.LOSSES[name]
            if kind == "nll" and graph.data(index):
                source = peel(graph, graph.data(index)[0])
                if graph.names[source] == "LogSoftmax":
                    return _cross_entropy(graph, source, rows)
            return Loss(kind=kind)
        if name == "LogSoftmax":
            return _cross_entropy(graph, index, rows)
        if index in flow.operations and flow.operations[index].kind not in ("norm", "scale"):
            break  # all that is nearer to the loss has been seen
    return Loss()


def _cross_entropy(graph: Graph, index: int, rows: int | None) -> Loss:
    dim, log_probabilities = graph.dimension(index), graph.saved(index, "result")
    source = peel(graph, graph.data(index)[0]) if graph.data(index) else -1
    sums_to_one = source >= 0 and graph.names[source] in vocab.SOFTMAX
    if not isinstance(log_probabilities, Tensor) or dim is None:
        return Loss(kind="cross_entropy", sums_to_one=sums_to_one)
    # log-softmax shifts each sample's logits by a constant, which their spread does not see
    spread = log_probabilities[:rows].float().var(dim, unbiased=False).mean().sqrt()
    return Loss(
        kind="cross_entropy",
        classes=log_probabilities.shape[dim],
        logits_std=float(spread),
        sums_to_one=sums_to_one,
    )


def _signed(dim: int) -> int:
    """Negative dimensions are saved as unsigned numbers."""
    return dim - 2**64 if dim >= 2**63 else dim


def spreads(outputs: list[Tensor]) -> dict[int, float]:
    """The spread of a model's outputs over their possible class dimensions (the last, and 1), by its size."""
    found: dict[int, float] = {}
    for output in outputs:
        values = plain(output) if output.layout == torch.strided and not output.is_nested else None
        for dim in (1, -1) if values is not None and values.shape == output.shape and values.ndim > 1 else ():
            rows = output.detach()[:_SPREAD_ROWS].float()
            found[output.shape[dim]] = float(rows.var(dim, unbiased=False).mean().sqrt())
    return found


def loss_after_backward(node: Node, spread: dict[int, float]) -> Loss:
    """The kind of a loss from its last nodes, whose saved tensors are gone."""
    frontier: list[Node | None] = [node]
    for _ in range(_LOSS_NODES):
        if not frontier:
            break
        current = frontier.pop(0)
        if current is None:
            continue
        name = base_name(current.name())
        if name == "LogSoftmax":
            classes = tuple(current._input_metadata[0].shape)[_signed(current._saved_dim)]  # type: ignore[attr-defined]
            before = current.next_functions[0][0]
            softmax = before is not None and base_name(before.name()) in vocab.SOFTMAX
            return Loss(kind="cross_entropy", classes=classes, logits_std=spread.get(classes), sums_to_one=softmax)
        if name in vocab.LOSSES and vocab.LOSSES[name] != "nll":
            return Loss(kind=vocab.LOSSES[name])
        frontier += [edge for edge, _ in current.next_functions]
    return Loss()

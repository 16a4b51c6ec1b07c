"""The kind of loss at the end of a graph, and the std of its logits."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.autograd.graph import Node
from torch.nn.functional import binary_cross_entropy_with_logits, nll_loss

from inithealth.layer_kinds import ELEMENTWISE
from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.dominators import peel
from inithealth.record.graph.flow import Flow
from inithealth.record.graph.graph import Graph
from inithealth.record.graph.order import base_name
from inithealth.record.saved.written_losses import written_loss
from inithealth.record.tensors import plain
from inithealth.recording import Loss

_SPREAD_ROWS = 16  # samples for the std of the logits in a live step
_FAR, _ALIKE = 5e3, 0.01  # distance of masked scores below the largest, and their largest relative difference
_LOSS_NODES = 64  # nodes upstream of the loss that are searched for its kind


def loss_of(flow: Flow, rows: int | None) -> Loss:
    """Return the kind of loss and the std of its logits, from the last nodes of the graph."""
    graph, written = flow.graph, None
    for index in reversed(range(len(graph))):
        if graph.pure[index] is not None:
            continue
        name = graph.names[index]
        if name in vocab.LOSSES:
            kind = vocab.LOSSES[name]
            if kind == "nll" and graph.data(index):
                source = peel(graph, graph.data(index)[0])
                if graph.names[source] in vocab.LOG_SOFTMAX:
                    value = _negative_likelihood(graph, index)
                    return _cross_entropy(graph, source, rows).model_copy(update={"value": value})
            return _binary(graph, index, rows) if kind == "bce_logits" else Loss(kind=kind)
        if name in vocab.LOG_SOFTMAX:
            return _cross_entropy(graph, index, rows)
        written = written or written_loss(graph, index)  # used only if no loss node is found: a focal loss has squares
        if index in flow.operations and flow.operations[index].kind not in ELEMENTWISE:
            break  # all nodes nearer to the loss were checked
    return Loss(kind=written or "unknown")


def _cross_entropy(graph: Graph, index: int, rows: int | None) -> Loss:
    dim, log_probabilities = graph.dimension(index), graph.saved(index, "result")
    source = peel(graph, graph.data(index)[0]) if graph.data(index) else -1
    sums_to_one = source >= 0 and graph.names[source] in vocab.SOFTMAX
    if not isinstance(log_probabilities, Tensor) or dim is None:
        return Loss(kind="cross_entropy", sums_to_one=sums_to_one)
    # log-softmax shifts each sample's logits by a constant, which does not affect their std
    logit_std = _visible_variance(log_probabilities[:rows].float().movedim(dim, -1)).mean().sqrt()
    return Loss(
        kind="cross_entropy",
        classes=log_probabilities.shape[dim],
        logits_std=float(logit_std),
        sums_to_one=sums_to_one,
    )


def _visible_variance(scores: Tensor) -> Tensor:
    """Return the variance of each sample's scores over the classes that are not masked.

    Masked scores are infinite, or far below the others and all equal, as for a sample's similarity to itself.
    """
    far = scores < scores.amax(-1, keepdim=True) - _FAR
    if bool(far.any()):
        hidden = scores[far]
        if not bool(hidden.isfinite().all()) or bool(hidden.std(unbiased=False) <= _ALIKE * hidden.abs().mean()):
            amount = (~far).sum(-1).clamp(min=1)
            shown = scores.where(~far, 0.0)
            return (shown.square().sum(-1) / amount - (shown.sum(-1) / amount).square()).clamp(min=0.0)
    return scores.var(-1, unbiased=False)


def _negative_likelihood(graph: Graph, index: int) -> float | None:
    """Return the mean negative log-likelihood of the targets; None if the saved tensors are freed."""
    scores, target = graph.saved(index, "self"), graph.saved(index, "target")
    if not isinstance(scores, Tensor) or not isinstance(target, Tensor):
        return None
    ignored = graph.signed(graph.saved(index, "ignore_index"))
    return float(nll_loss(scores.float(), target, ignore_index=ignored))


def _binary(graph: Graph, index: int, rows: int | None) -> Loss:
    logits, targets = graph.saved(index, "self"), graph.saved(index, "target")
    if not isinstance(logits, Tensor) or not isinstance(targets, Tensor) or logits.shape != targets.shape:
        return Loss(kind="bce_logits")
    logits, targets = logits[:rows].float(), targets[:rows].float()
    positives = float(targets.mean())
    if not 0.0 < positives < 1.0:
        return Loss(kind="bce_logits", positives=positives)
    found = float(binary_cross_entropy_with_logits(logits, targets))
    entropy = -positives * math.log(positives) - (1 - positives) * math.log1p(-positives)
    return Loss(kind="bce_logits", positives=positives, over_base=found / entropy)


def logit_stds(outputs: list[Tensor]) -> dict[int, float]:
    """Return the std of a model's outputs over possible class dimensions (the last one and 1), by their size."""
    found: dict[int, float] = {}
    for output in outputs:
        values = plain(output) if output.layout == torch.strided and not output.is_nested else None
        for dim in (1, -1) if values is not None and values.shape == output.shape and values.ndim > 1 else ():
            rows = output.detach()[:_SPREAD_ROWS].float()
            found[output.shape[dim]] = float(rows.var(dim, unbiased=False).mean().sqrt())
    return found


def loss_after_backward(node: Node, logit_stds: Mapping[int, float]) -> Loss:
    """Return the kind of a loss from its last nodes, whose saved tensors are freed."""
    frontier: list[Node | None] = [node]
    alone = True
    for _ in range(_LOSS_NODES):
        if not frontier:
            break
        current = frontier.pop(0)
        if current is None:
            continue
        name = base_name(current.name())
        if name in vocab.LOG_SOFTMAX:
            classes = tuple(current._input_metadata[0].shape)[Graph.signed(current._saved_dim)]  # type: ignore[attr-defined]
            before = current.next_functions[0][0]
            softmax = before is not None and base_name(before.name()) in vocab.SOFTMAX
            std = logit_stds.get(classes)
            return Loss(kind="cross_entropy", classes=classes, alone=alone, logits_std=std, sums_to_one=softmax)
        if name in vocab.LOSSES and vocab.LOSSES[name] != "nll":
            return Loss(kind=vocab.LOSSES[name])
        alone = alone and sum(edge is not None for edge, _ in current.next_functions) < 2
        frontier += [edge for edge, _ in current.next_functions]
    return Loss()

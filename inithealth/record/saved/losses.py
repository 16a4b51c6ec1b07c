"""The losses at the end of a graph: their kinds, and the std of their logits."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.autograd.graph import Node
from torch.nn.functional import nll_loss

from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.dominators import peel
from inithealth.record.graph.flow import Flow
from inithealth.record.graph.graph import Graph
from inithealth.record.graph.loss_terms import Term, loss_terms
from inithealth.record.graph.order import base_name
from inithealth.record.saved.elementwise_losses import start_of
from inithealth.record.saved.gaussian_losses import gaussian_of
from inithealth.record.saved.node_values import Parameter
from inithealth.record.tensors import plain
from inithealth.recording import Loss

_SPREAD_ROWS = 16  # samples for the std of the logits in a live step
_FAR, _ALIKE = 5e3, 0.01  # distance of masked scores below the largest, and their largest relative difference
_LOSS_NODES = 64  # nodes upstream of the loss that are searched for its kind


def losses_of(
    flow: Flow, layer_at: Mapping[int, str], rows: int | None, parameter: Parameter = lambda _: None
) -> tuple[Loss, ...]:
    """Return the losses of the objective, the main one first; one of unknown kind if none is recognized.

    Args:
        layer_at: the layer of each operation.
        parameter: returns a parameter by its name; None for sharded ones.
    """
    found = []
    terms = loss_terms(flow)
    for term in terms:
        loss = _cross_entropy(flow.graph, term, rows) if term.kind == "cross_entropy" else None
        loss = loss or start_of(flow, term, parameter, rows) or Loss(kind=term.kind)
        heads = dict.fromkeys(layer_at[node] for node in term.heads if node in layer_at)
        source = {"source": term.source.name, "span": _finite(term.source.span), "lowest": _finite(term.source.lowest)}
        found.append(loss.model_copy(update={**source, "heads": tuple(heads)}))
    alone = len(found) < 2
    for term in terms:
        gaussian = gaussian_of(flow, term, rows)
        if gaussian is not None:
            heads = dict.fromkeys(layer_at[node] for node in sorted(gaussian[1]) if node in layer_at)
            found.append(gaussian[0].model_copy(update={"heads": tuple(heads)}))
    return tuple(loss if alone else loss.model_copy(update={"alone": False}) for loss in found) or (Loss(),)


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _cross_entropy(graph: Graph, term: Term, rows: int | None) -> Loss:
    likelihood = graph.names[term.node] in vocab.LOSSES
    index = peel(graph, graph.data(term.node)[0]) if likelihood else term.node
    dim, log_probabilities = graph.dimension(index), graph.saved(index, "result")
    loss = Loss(kind="cross_entropy", sums_to_one=term.source.name == "softmax")
    if likelihood:
        loss = loss.model_copy(update={"value": _negative_likelihood(graph, term.node)})
    if not isinstance(log_probabilities, Tensor) or dim is None:
        return loss
    # log-softmax shifts each sample's logits by a constant, which does not affect their std
    logit_std = _visible_variance(log_probabilities[:rows].float().movedim(dim, -1)).mean().sqrt()
    return loss.model_copy(update={"classes": log_probabilities.shape[dim], "logits_std": float(logit_std)})


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

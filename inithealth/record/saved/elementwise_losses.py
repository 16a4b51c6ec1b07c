"""Losses that compare each prediction with its target: their value, and that of the best constant prediction."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.graph import Graph
from inithealth.record.graph.loss_terms import Term
from inithealth.record.graph.written_losses import poisson_nodes
from inithealth.recording import Loss

Compare = Callable[[Tensor, Tensor], Tensor]  # predictions and targets -> the loss of each element


@dataclass(frozen=True)
class _Compared:
    """The predictions, the targets, and the weight of each element."""

    predictions: Tensor
    targets: Tensor
    weights: Tensor

    def mean(self, values: Tensor) -> float:
        return float((values * self.weights).sum() / self.weights.sum())


@torch.no_grad()
def start_of(graph: Graph, term: Term, rows: int | None) -> Loss | None:
    """Return a loss with its value and with what comparing it needs; None if its tensors were not saved.

    The value is the mean over the elements, by the constant weights or mask that multiply them, whatever the reduction
    of the loss is.
    """
    compare = _comparison(graph, term)
    compared = _compared(graph, term, rows) if compare is not None else None
    if compare is None or compared is None:
        return None
    predictions, targets = compared.predictions, compared.targets
    center = compared.mean(targets)
    value = compared.mean(compare(predictions, targets))
    base = compared.mean(compare(_best_constant(term.kind, center, targets), targets))
    mean, source = compared.mean(predictions), term.source
    nearest = targets.clamp(source.lowest, source.lowest + source.span)  # the best predictions within their range
    known = term.kind in ("mse", "smooth_l1", "huber") and math.isfinite(source.lowest)
    return Loss(
        kind=term.kind,
        value=value,
        base=base,
        positives=center if term.kind == "bce_logits" else None,
        logits_std=math.sqrt(compared.mean((predictions - mean).square())) if term.kind == "bce_logits" else None,
        over_base=value / base if base > 0.0 and math.isfinite(value) else None,
        floor=compared.mean(compare(nearest, targets)) if known else None,
        prediction_rms=math.sqrt(compared.mean(predictions.square())),
        target_rms=math.sqrt(compared.mean(targets.square())),
    )


def _comparison(graph: Graph, term: Term) -> Compare | None:
    def squares(x: Tensor, t: Tensor) -> Tensor:
        return (x - t).square()

    def binary(x: Tensor, t: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(x, t, reduction="none")

    def smooth(x: Tensor, t: Tensor) -> Tensor:
        return F.smooth_l1_loss(x, t, reduction="none", beta=float(graph.saved(term.node, "beta") or 0.0))

    def huber(x: Tensor, t: Tensor) -> Tensor:
        return F.huber_loss(x, t, reduction="none", delta=float(graph.saved(term.node, "delta") or 1.0))

    def deviance(rate: Tensor, t: Tensor) -> Tensor:
        return torch.xlogy(t, t) - torch.xlogy(t, rate) - t + rate

    if term.written:  # the difference to the targets is saved, not the targets
        return deviance if term.kind == "poisson" else None
    known: dict[str, Compare] = {"mse": squares, "bce_logits": binary, "smooth_l1": smooth, "huber": huber}
    return known.get(term.kind)


def _best_constant(kind: str, center: float, targets: Tensor) -> Tensor:
    if kind == "bce_logits":
        odds = min(max(center, 1e-7), 1.0 - 1e-7)
        return torch.full_like(targets, math.log(odds / (1.0 - odds)))
    return torch.full_like(targets, center)


def _compared(graph: Graph, term: Term, rows: int | None) -> _Compared | None:
    """Return what a loss compares; None if it was not saved, or if the target is itself computed from weights."""
    predictions, targets = _pair(graph, term)
    if not isinstance(predictions, Tensor) or not isinstance(targets, Tensor):
        return None
    if predictions.shape != targets.shape or predictions.is_complex():
        return None
    weights = _element_weights(graph, term.node, predictions)
    predictions, targets, weights = (each[:rows].float() for each in (predictions, targets, weights))
    return _Compared(predictions, targets, weights) if bool(weights.sum() > 0) else None


def _pair(graph: Graph, term: Term) -> tuple[Any, Any]:
    """Return the predictions and the targets, as far as they were saved."""
    poisson = poisson_nodes(graph, term.node)
    if poisson is not None:
        rate, product = poisson
        constant = ("self", "other")[next((at for at, (p, _) in enumerate(graph.edges[product]) if p < 0), 0)]
        return graph.saved(rate, "result"), graph.saved(product, constant)
    if len(graph.data(term.node)) != 1:  # the target is itself computed from weights
        return None, None
    return graph.saved(term.node, "self"), graph.saved(term.node, "target")


def _element_weights(graph: Graph, index: int, like: Tensor) -> Tensor:
    """Return the constant, non-negative weights that multiply a loss without reduction; ones without such weights."""
    while True:
        readers = graph.readers(index)
        if len(readers) != 1:
            break
        index, operand = readers[0]
        if graph.names[index] == "Mul" and len(graph.data(index)) == 1:
            factor = graph.saved(index, ("other", "self")[operand])
            if not isinstance(factor, Tensor) or factor.numel() == 1 or factor.ndim > like.ndim:
                break
            try:
                weights = factor.to(like.dtype).expand_as(like)
            except RuntimeError:  # of another shape, as after a mean over some axes
                break
            if bool((weights >= 0).all()) and bool((weights > 0).any()):
                return weights
            break
        if graph.names[index] not in vocab.LAYOUT:
            break
    return torch.ones_like(like)

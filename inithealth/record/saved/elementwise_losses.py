"""Losses that compare each prediction with its target: their value, and that of the best constant prediction."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from inithealth.record.graph.flow import Flow
from inithealth.record.graph.graph import Graph
from inithealth.record.graph.loss_terms import Term
from inithealth.record.saved.compared import Compared, compared
from inithealth.record.saved.node_values import Parameter
from inithealth.recording import Loss

Compare = Callable[[Tensor, Tensor], Tensor]  # predictions and targets -> the loss of each element
_BY_DISTANCE = frozenset({"mse", "l1", "smooth_l1", "huber"})  # zero if the predictions equal the targets


@torch.no_grad()
def start_of(flow: Flow, term: Term, parameter: Parameter, rows: int | None) -> Loss | None:
    """Return a loss with its value and with what comparing it needs; None if its tensors were not saved.

    The value is the mean over the elements, by the constant weights or mask that multiply them, whatever the reduction
    of the loss is.
    """
    compare = _comparison(flow.graph, term)
    found = compared(flow, term, parameter, rows) if compare is not None else None
    if compare is None or found is None:
        return None
    predictions, targets = found.predictions, found.targets
    center = found.mean(targets)
    value = found.mean(compare(predictions, targets))
    base = found.mean(compare(_best_constant(term.kind, found, center), targets))
    mean, source = found.mean(predictions), term.source
    nearest = targets.clamp(source.lowest, source.lowest + source.span)  # the best predictions within their range
    known = term.kind in _BY_DISTANCE and math.isfinite(source.lowest)
    return Loss(
        kind=term.kind,
        value=value,
        base=base,
        positives=center if term.kind == "bce_logits" else None,
        logits_std=math.sqrt(found.mean((predictions - mean).square())) if term.kind == "bce_logits" else None,
        over_base=value / base if base > 0.0 and math.isfinite(value) else None,
        floor=found.mean(compare(nearest, targets)) if known else None,
        prediction_rms=math.sqrt(found.mean(predictions.square())),
        target_rms=math.sqrt(found.mean(targets.square())),
    )


def _comparison(graph: Graph, term: Term) -> Compare | None:
    def squares(x: Tensor, t: Tensor) -> Tensor:
        return (x - t).square()

    def distances(x: Tensor, t: Tensor) -> Tensor:
        return (x - t).abs()

    def binary(x: Tensor, t: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(x, t, reduction="none")

    def smooth(x: Tensor, t: Tensor) -> Tensor:
        return F.smooth_l1_loss(x, t, reduction="none", beta=float(graph.saved(term.node, "beta") or 0.0))

    def huber(x: Tensor, t: Tensor) -> Tensor:
        return F.huber_loss(x, t, reduction="none", delta=float(graph.saved(term.node, "delta") or 1.0))

    def deviance(rate: Tensor, t: Tensor) -> Tensor:
        return torch.xlogy(t, t) - torch.xlogy(t, rate) - t + rate

    known: dict[str, Compare] = {"mse": squares, "bce_logits": binary, "smooth_l1": smooth, "huber": huber}
    known.update(l1=distances)
    if term.written:
        known["poisson"] = deviance
    return known.get(term.kind)


def _best_constant(kind: str, found: Compared, center: float) -> Tensor:
    """Return the constant predictions with the lowest loss: the mean of the targets, for L1 their median."""
    if kind == "bce_logits":
        odds = min(max(center, 1e-7), 1.0 - 1e-7)
        return torch.full_like(found.targets, math.log(odds / (1.0 - odds)))
    return torch.full_like(found.targets, found.median() if kind == "l1" else center)

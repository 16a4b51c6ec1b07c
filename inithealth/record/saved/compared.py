"""What a loss compares: the predictions, the targets, and the weight of each element."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.flow import Flow
from inithealth.record.graph.graph import Graph
from inithealth.record.graph.loss_terms import Term
from inithealth.record.graph.written_losses import DIFFERENCES, difference_of, factor_of_difference, poisson_nodes
from inithealth.record.saved.node_values import Parameter, values_of


@dataclass(frozen=True)
class Compared:
    """The predictions, the targets, and the weight of each element."""

    predictions: Tensor
    targets: Tensor
    weights: Tensor

    def mean(self, values: Tensor) -> float:
        """Return the weighted mean."""
        return float((values * self.weights).sum() / self.weights.sum())

    def median(self) -> float:
        """Return the weighted median of the targets, which has the lowest mean absolute distance to them."""
        values, order = self.targets.flatten().sort()
        total = self.weights.flatten()[order].cumsum(0)
        return float(values[int((total >= total[-1] / 2).nonzero()[0])])


def compared(flow: Flow, term: Term, parameter: Parameter, rows: int | None) -> Compared | None:
    """Return what a loss compares; None if it was not saved, or if the target is itself computed from weights."""
    graph = flow.graph
    found = _from_difference(flow, term, parameter, rows) if is_difference(term) else _saved(graph, term, rows)
    if found is None or not found.predictions.numel() or found.predictions.is_complex():
        return None
    weights = found.weights * _element_weights(graph, term.node, found.predictions, graph.shape(term.node))
    return Compared(found.predictions, found.targets, weights) if bool(weights.sum() > 0) else None


def is_difference(term: Term) -> bool:
    """Return whether a loss is composed of the differences between predictions and targets."""
    return term.written and term.kind in DIFFERENCES


def _saved(graph: Graph, term: Term, rows: int | None) -> Compared | None:
    """Return the predictions and the targets that a loss function saved."""
    poisson = poisson_nodes(graph, term.node)
    if poisson is not None:
        rate, product = poisson
        predictions, targets = graph.saved(rate, "result"), graph.constant(product)
    elif term.written or len(graph.computed(term.node)) != 1:  # the target is itself computed from weights
        return None
    else:
        predictions, targets = graph.saved(term.node, "self"), graph.saved(term.node, "target")
        if graph.edges[term.node][0][0] != term.prediction:  # called with the target first
            predictions, targets = targets, predictions
    if not isinstance(predictions, Tensor) or not isinstance(targets, Tensor) or predictions.shape != targets.shape:
        return None
    if predictions.ndim:
        predictions, targets = predictions[:rows], targets[:rows]
    return Compared(predictions.float(), targets.float(), torch.ones_like(predictions, dtype=torch.float32))


def _from_difference(flow: Flow, term: Term, parameter: Parameter, rows: int | None) -> Compared | None:
    """Return what a composed loss compares. It saved only the difference, times a factor if there is one."""
    graph, node = flow.graph, difference_of(flow.graph, term.node)
    scaled, factor = graph.saved(term.node, "self"), factor_of_difference(graph, term.node)
    if node < 0 or len(graph.computed(node)) != 1 or graph.saved(node, "alpha") != 1 or not isinstance(scaled, Tensor):
        return None
    predictions = values_of(flow, term.prediction, parameter, rows)
    if predictions is None or factor is None or predictions.ndim != scaled.ndim:
        return None
    predictions, scaled = predictions.float(), (scaled[: len(predictions)] if scaled.ndim else scaled).float()
    factor = _expanded(factor.float(), predictions, tuple(scaled.shape) if rows is None else graph.shape(term.node))
    if factor is None or scaled.shape != predictions.shape:
        return None
    difference = torch.where(factor == 0, torch.zeros_like(scaled), scaled / factor)
    first = graph.edges[node][0][0] == term.prediction and graph.names[node] == "Sub"
    targets = predictions - difference if first else predictions + difference
    return Compared(predictions, targets, factor.square() if term.kind == "mse" else factor.abs())


def _element_weights(graph: Graph, index: int, like: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return the constant, non-negative weights that multiply a loss without reduction; ones without such weights.

    Args:
        like: the predictions, perhaps of the first samples only.
        shape: the shape of all predictions.
    """
    while True:
        readers = graph.readers(index)
        if len(readers) != 1:
            break
        index, operand = readers[0]
        if graph.names[index] == "Mul" and len(graph.computed(index)) == 1:
            factor = graph.saved(index, ("other", "self")[operand])
            if isinstance(factor, Tensor) and factor.numel() == 1:
                continue
            weights = _expanded(factor.float(), like, shape) if isinstance(factor, Tensor) else None
            if weights is not None and bool((weights >= 0).all()) and bool((weights > 0).any()):
                return weights
            break
        if graph.names[index] not in vocab.LAYOUT:
            break
    return torch.ones_like(like)


def _expanded(factor: Tensor, like: Tensor, shape: tuple[int, ...]) -> Tensor | None:
    """Return a factor for each prediction; None if it has another shape, as after a mean over some axes."""
    try:
        whole = factor.expand(shape)
    except RuntimeError:
        return None
    return whole[: len(like)] if like.ndim else whole

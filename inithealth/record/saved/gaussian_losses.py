"""Gaussian negative log-likelihoods: their value, and that of the best constant variance."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from inithealth.record.graph.flow import Flow
from inithealth.record.graph.gaussian_likelihood import variance_of
from inithealth.record.graph.loss_terms import Term, heads_of
from inithealth.record.saved.compared import is_difference
from inithealth.recording import Loss


@torch.no_grad()
def gaussian_of(flow: Flow, term: Term, rows: int | None) -> tuple[Loss, set[int]] | None:
    """Return the likelihood that squared errors belong to, and the operations that its variance comes from.

    The value is the mean over the elements without constants: half of log(variance) + error^2 / variance. None if the
    errors are not divided by a computed variance.
    """
    found = variance_of(flow.graph, term.node) if is_difference(term) and term.kind == "mse" else None
    errors = flow.graph.saved(term.node, "self") if found is not None else None
    if found is None or not isinstance(errors, Tensor):
        return None
    try:
        variance = found.values.expand(errors.shape)
    except RuntimeError:
        return None
    errors, variance = (each[:rows].float() if each.ndim else each.float() for each in (errors, variance))
    squares, logarithm = errors.square(), variance.log()
    mean = float(squares.mean())
    loss = Loss(
        kind="gaussian_nll",
        value=float((logarithm + squares / variance).mean() / 2),
        base=(math.log(mean) + 1) / 2 if mean > 0 else None,
        log_variance=float(logarithm.square().mean().sqrt()),
    )
    return loss, heads_of(flow, [found.node])

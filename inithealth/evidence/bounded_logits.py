"""How low a loss can get if an activation limits the predictions that it receives."""

from __future__ import annotations

import math

from inithealth.recording import Loss
from inithealth.theory.activation_table import BY_NAME

_LOG_PROBABILITIES = frozenset({"", "log_softmax", "logsigmoid"})  # "": unknown, as after a logarithm


def lowest_share(loss: Loss) -> float:
    """Return the lowest loss within the range of the predictions, relative to that of guessing; 0 if unlimited."""
    if loss.source in ("", "layer"):
        return 0.0
    if loss.kind == "cross_entropy" and loss.span is not None and loss.classes and loss.classes > 1:
        return math.log1p((loss.classes - 1) * math.exp(-loss.span)) / math.log(loss.classes)
    if loss.floor is not None and loss.base:
        return loss.floor / loss.base
    if loss.kind == "bce_logits" and loss.base and loss.lowest is not None:
        positives = 0.5 if loss.positives is None else loss.positives
        highest = math.inf if loss.span is None else loss.lowest + loss.span
        lowest = positives * _softplus(-highest) + (1.0 - positives) * _softplus(loss.lowest)
        return lowest / loss.base
    return 0.0


def _softplus(value: float) -> float:
    """Return log(1 + exp(value)) without the exponential of a large number."""
    return max(value, 0.0) + math.log1p(math.exp(-abs(value)))


def best_constant(loss: Loss) -> str:
    """Return which constant prediction has the lowest loss: the ``mean`` of the targets, or their ``median``."""
    return "median" if loss.kind == "l1" else "mean"


def has_flat_side(loss: Loss) -> bool:
    """Whether logits beyond an edge of their activation get no gradient, as with ReLU and Hardtanh."""
    row = BY_NAME.get(loss.source)
    return row is not None and row.dies and not row.hole


def is_one_sided(loss: Loss) -> bool:
    """Whether the logits cannot be negative, so that no probability is below a half."""
    return loss.lowest is not None and loss.lowest >= 0.0


def lacks_logarithm(loss: Loss) -> bool:
    """Whether a negative log-likelihood receives something else than log-probabilities."""
    return loss.kind == "nll" and loss.source not in _LOG_PROBABILITIES

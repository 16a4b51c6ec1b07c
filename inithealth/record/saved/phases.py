"""By how much the phases of a sine layer differ between neighboring samples, if its inputs are coordinates."""

from __future__ import annotations

import torch
from torch import Tensor

from inithealth.record.saved.operands import Operands

_MOST_DIMENSIONS = 4  # coordinates: place and time. In more dimensions no sample has near neighbors
_QUERIES = 256  # samples whose neighbor is searched
_MOST_DISTANCES = 2**25  # elements of the table of distances


def phase_step(operands: Operands, factor: float) -> float | None:
    """Return the rms over the units, in radians, of the phase between a sample and its nearest neighbor.

    The median over the samples counts. None for inputs of more than four features, which are not coordinates, and for
    fewer than three different samples.

    Args:
        operands: of a linear layer; rows of the signal are samples.
        factor: the constant between the layer's output and the sine.
    """
    if operands.weight_first or operands.weight.ndim != 2 or operands.signal.shape[-1] > _MOST_DIMENSIONS:
        return None
    points = operands.signal.detach().reshape(-1, operands.signal.shape[-1]).float()
    points = points[: max(1, _MOST_DISTANCES // _QUERIES)]  # the first, as neighbors in a grid follow each other
    asked = points[:: max(1, -(-len(points) // _QUERIES))]
    nearest = _nearest(points, asked)
    if nearest is None:
        return None
    phases = factor * (nearest - asked) @ operands.weight.detach().float()
    return float(phases.square().mean(-1).sqrt().median())


def _nearest(points: Tensor, asked: Tensor) -> Tensor | None:
    """Return for some of the points their nearest neighbor at another place; None if there are too few places."""
    distances = torch.cdist(asked, points, compute_mode="donot_use_mm_for_euclid_dist")
    distances = distances.masked_fill(distances == 0, float("inf"))
    found = distances.min(1)
    if len(points) < 3 or not bool(torch.isfinite(found.values).all()):
        return None
    return points[found.indices]

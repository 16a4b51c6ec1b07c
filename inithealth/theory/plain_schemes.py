"""Initializations recognized by the structure of a weight, without its distribution: zeros, ones, orthogonal."""

from __future__ import annotations

import math

from inithealth.layer_kinds import DRAWN
from inithealth.recording import Layer, Scheme, Weight

# Largest singular value over the expected one of random weights. Fresh weights reach 1.11 at 16 x 16 and 1.03 at
# 128 x 128, trained weights start at 1.26. This constant only names the scheme of a weight; the limit by which rules
# decide that a layer is trained is an option with the same default.
MAX_RANDOM_EDGE = 1.15
_ALIKE = 0.5  # mean cosine of units above which their similarity, not training, explains a dominant direction


def plain_scheme(layer: Layer, weight: Weight) -> Scheme | None:
    """Return the scheme that the structure of a weight shows; None if it shows none."""
    if weight.abs_max == 0:
        return scheme_named("zeros", "zeros")
    if weight.constant or (math.prod(weight.shape) == 1 and weight.std == 0):
        return (
            scheme_named("ones", "ones")
            if weight.mean == 1
            else scheme_named("constant", f"constant {weight.mean:.3g}")
        )
    if weight.identity:
        return scheme_named("identity", "identity")
    if weight.orthogonal:
        gain = _orthogonal_gain(weight)
        return scheme_named("orthogonal", "orthogonal" if abs(gain - 1) < 5e-3 else f"orthogonal gain {gain:.3g}")
    if (weight.spectral_edge or 0.0) <= MAX_RANDOM_EDGE:
        return None
    if layer.kind in ("embedding", "other") and abs(weight.rms - 0.5**0.5) < 1e-3 and 0.99 < weight.abs_max <= 1:
        return scheme_named("sinusoidal", "sinusoidal")  # pairs of sine and cosine: their mean square is 1/2
    repeated = weight.duplicate_rows > 0 or weight.row_cosine > _ALIKE or weight.zero_share > 0.5
    matrix = layer.kind in DRAWN
    return scheme_named("trained", "trained") if matrix and not repeated else scheme_named("unknown", "unknown")


def _orthogonal_gain(weight: Weight) -> float:
    """Return the common singular value: the root of the sum of squares over the number of singular values."""
    first = weight.shape[0]
    return weight.rms * math.sqrt(max(first, math.prod(weight.shape[1:])))


def scheme_named(name: str, text: str) -> Scheme:
    return Scheme(name=name, text=text)

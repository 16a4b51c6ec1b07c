"""Initializations that a weight's structure shows before any distribution is asked for: zeros, ones, orthogonal."""

from __future__ import annotations

import math

from inithealth.layer_kinds import DRAWN
from inithealth.recording import Layer, Scheme, Weight

# Largest singular value of fresh weights over that of random ones: they reach 1.11 at 16 x 16 and 1.03 at 128 x 128,
# trained weights start at 1.26. A scheme describes one weight by this number, whatever the settings: it is recorded,
# not judged. What counts as trained when a network is judged is an option, with this default.
MAX_RANDOM_EDGE = 1.15
_ALIKE = 0.5  # mean cosine of units beyond which it is that, not training, that makes a direction stand out


def plain_scheme(layer: Layer, weight: Weight) -> Scheme | None:
    """The scheme that a weight's structure shows, without a look at its distribution; None for the rest."""
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
        return scheme_named("sinusoidal", "sinusoidal")  # sines and cosines in pairs: half of their squares is one
    repeated = weight.duplicate_rows > 0 or weight.row_cosine > _ALIKE or weight.zero_share > 0.5
    matrix = layer.kind in DRAWN
    return scheme_named("trained", "trained") if matrix and not repeated else scheme_named("unknown", "unknown")


def _orthogonal_gain(weight: Weight) -> float:
    """The singular values, which are all the same: sum of squares over their number."""
    first = weight.shape[0]
    return weight.rms * math.sqrt(max(first, math.prod(weight.shape[1:])))


def scheme_named(name: str, text: str) -> Scheme:
    return Scheme(name=name, text=text)

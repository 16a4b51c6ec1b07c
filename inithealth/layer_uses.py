"""How the output of a layer is used: what receives it first, and whether it is positions or a weight."""

from __future__ import annotations

from typing import Literal

Feeds = Literal[
    "activation", "norm", "attention", "residual", "gate", "positions", "layer", "loss", "unused", "unknown"
]

# Positions at which another signal is sampled. "affine": it is the matrix of an affine transformation;
# "transformation": that matrix is computed from it; "offsets": it is added to other positions; "positions": in another
# way. "weight": it is the weight of a product with another signal, as in a hypernetwork.
Steers = Literal["", "affine", "transformation", "offsets", "positions", "weight"]

"""How the output of a layer is used: what receives it first, and whether it sets positions."""

from __future__ import annotations

from typing import Literal

Feeds = Literal[
    "activation", "norm", "attention", "residual", "gate", "positions", "layer", "loss", "unused", "unknown"
]

# At which another signal is sampled. "affine": it is the matrix of an affine transformation; "transformation": that
# matrix is computed from it; "offsets": it is added to other positions; "positions": in another way.
Steers = Literal["", "affine", "transformation", "offsets", "positions"]

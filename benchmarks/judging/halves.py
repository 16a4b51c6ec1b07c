"""Which half a family of networks is in: the one that thresholds are fitted on, or the one that is held out."""

from __future__ import annotations

import hashlib
from typing import Literal

Half = Literal["fitted", "held out"]

# Hosts of faults that the rules were written with, before there were halves.
SEEN_BEFORE = frozenset(
    "bert conv convnext gcn gpt llama low-rank lstm mixer mlp-relu mlp-tanh residual resnet unet".split()
)


def half(part: str, family: str) -> Half:
    """By a fixed hash of the family's name; the same for whoever runs it, and for families to come."""
    if part == "faults" and family in SEEN_BEFORE:
        return "fitted"
    return "held out" if hashlib.sha256(family.encode()).digest()[0] % 2 else "fitted"

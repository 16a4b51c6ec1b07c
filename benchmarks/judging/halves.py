"""Assigns a family of networks to the half used for fitting thresholds or to the held-out half."""

from __future__ import annotations

import hashlib
from typing import Literal

Half = Literal["fitted", "held out"]

# Hosts that were used to write the rules before the split existed.
SEEN_BEFORE = frozenset(
    "bert conv convnext gcn gpt llama low-rank lstm mixer mlp-relu mlp-tanh residual resnet unet".split()
)


def half(part: str, family: str) -> Half:
    """Return the half by a fixed hash of the family's name: it is the same on every machine and for new families."""
    if part == "faults" and family in SEEN_BEFORE:
        return "fitted"
    return "held out" if hashlib.sha256(family.encode()).digest()[0] % 2 else "fitted"

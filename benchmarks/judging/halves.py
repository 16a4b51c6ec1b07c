"""Assigns a family of networks to the half used for fitting thresholds or to the held-out half.

The results on the held-out half were inspected many times. The networks in ``benchmarks/fresh`` were added later, with
model families and seeds that were not used before. They form a third "half", which is judged only if it is selected.
"""

from __future__ import annotations

import hashlib
from typing import Literal

Half = Literal["fitted", "held out", "fresh"]
HELD_OUT: Half = "held out"
FITTED: Half = "fitted"
FRESH: Half = "fresh"
HALVES: tuple[Half, ...] = (HELD_OUT, FITTED, FRESH)
USUAL = (HELD_OUT, FITTED)  # judged by default
UNFITTED = (HELD_OUT, FRESH)

# Hosts that were used to write the rules before the split existed.
SEEN_BEFORE = frozenset(
    "bert conv convnext gcn gpt llama low-rank lstm mixer mlp-relu mlp-tanh residual resnet unet".split()
)


def half(part: str, family: str) -> Half:
    """Return the half by a fixed hash of the family's name: it is the same on every machine and for new families."""
    if part == "faults" and family in SEEN_BEFORE:
        return FITTED
    return HELD_OUT if hashlib.sha256(family.encode()).digest()[0] % 2 else FITTED

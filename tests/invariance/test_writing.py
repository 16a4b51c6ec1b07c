"""A verdict is the same for in-place, checkpointed, compiled, frozen, autocast and weight-normed versions."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from torch import nn

from tests.invariance.rebuilt import KINDS, rebuilt
from tests.invariance.verdicts import judged, own_verdict, shown, verdict
from tests.invariance.writing import WAYS

# Zero weights have no direction: PyTorch's weight norm returns NaN for them.
ZERO_WEIGHTS = ("zero_head", "lora")
FROZEN_FAULT = ("detached_body",)  # a fault in a frozen layer is not a cause
LEFT_OUT = {"weight_normed": ZERO_WEIGHTS, "frozen_prefix": FROZEN_FAULT}
TWINS = [(name, way) for way in WAYS for name in KINDS if name not in LEFT_OUT.get(way, ())]


@cache
def runs_a_half_lstm() -> bool:
    """Return whether torch has a bfloat16 LSTM for this processor; with only AVX2 it raises."""
    try:
        with torch.autocast("cpu", torch.bfloat16):
            nn.LSTM(8, 32)(torch.randn(4, 8, 8))
    except RuntimeError:
        return False
    return True


@pytest.mark.parametrize(("name", "way"), TWINS)
def test_a_rewritten_network_has_the_same_verdict(name: str, way: str) -> None:
    if (name, way) == ("lstm", "autocast") and not runs_a_half_lstm():
        pytest.skip("torch cannot run an LSTM in bfloat16 on this processor")
    case = rebuilt(name)
    report = judged(case, WAYS[way](case.model))
    assert not [note for note in report.not_measured if not note.startswith("the frequencies of")]
    assert shown(verdict(report, lambda layer: layer.removeprefix("model."))) == shown(own_verdict(name))

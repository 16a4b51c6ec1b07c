"""A verdict is the same for in-place, checkpointed, compiled, frozen, autocast and weight-normed twins."""

from __future__ import annotations

import pytest

from tests.invariance.rebuilt import KINDS, rebuilt
from tests.invariance.verdicts import judged, own_verdict, told, verdict
from tests.invariance.writing import WAYS

# The length of a unit whose weights are zero has no direction: PyTorch's weight norm makes NaN of it.
ZERO_WEIGHTS = ("zero_head", "lora")
FROZEN_FAULT = ("detached_body",)  # what is wrong with a frozen layer is no cause
LEFT_OUT = {"weight_normed": ZERO_WEIGHTS, "frozen_prefix": FROZEN_FAULT}
TWINS = [(name, way) for way in WAYS for name in KINDS if name not in LEFT_OUT.get(way, ())]


@pytest.mark.parametrize(("name", "way"), TWINS)
def test_a_twin_has_the_same_verdict(name: str, way: str) -> None:
    case = rebuilt(name)
    report = judged(case, WAYS[way](case.model))
    assert not report.not_measured
    assert told(verdict(report, lambda layer: layer.removeprefix("model."))) == told(own_verdict(name))

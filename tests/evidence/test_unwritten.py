"""What uninitialized memory looks like; the rule's tests have more."""

from __future__ import annotations

import pytest

from inithealth.evidence.unwritten import faded, mixed, zero_throughout
from tests.rules.recordings import layer, recording, stack, weight


@pytest.mark.parametrize(("rms", "expected"), [(1e9, True), (1e12, False)])
def test_huge_values_beside_small_ones(rms: float, expected: bool) -> None:
    assert mixed(weight("w", rms, abs_max=1e11), 8.0) is expected
    assert mixed(weight("b", rms, abs_max=1e11, shape=(96,)), 8.0)


@pytest.mark.parametrize(("share", "expected"), [(2 / 96, True), (3.5 / 96**2, False)])
def test_whole_rows_may_have_faded(share: float, expected: bool) -> None:
    of = layer("fc", 0, weight={"tiny_share": share})
    assert of.weight is not None
    assert faded(of, of.weight, frozenset(), 4) is expected
    assert faded(of, of.weight, frozenset({"fc"}), 4)


def test_zeros_throughout_a_network_with_norms() -> None:
    zero = {"rms": 0.0, "abs_max": 0.0}
    everything = {name: {"weight": zero} for name in ("fc0", "fc2", "fc3", "head")}
    of = recording(stack(fc1={"kind": "norm", "weight": zero}, **everything))
    assert len(zero_throughout(of)) == 5
    assert zero_throughout(recording()) == []

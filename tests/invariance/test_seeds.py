"""A verdict does not depend on the seed: at least 19 of 20 initializations of every network have the same one."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.invariance.rebuilt import BUILDERS, FAULTS, OWN_SEED, rebuilt
from tests.invariance.verdicts import HEALTHY, judged, shown, verdict

SEEDS = range(OWN_SEED, OWN_SEED + 20)
ALLOWED = 1  # of the 20
QUICK = ("he_relu_10", "zero_head", "nan_weight", "loud_head")  # two healthy networks and two faults


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in BUILDERS]
)
def test_initializations_of_a_network_have_the_same_verdict(name: str) -> None:
    verdicts = Counter(shown(verdict(judged(rebuilt(name, seed)))) for seed in SEEDS)
    common, times = verdicts.most_common(1)[0]
    assert times >= len(SEEDS) - ALLOWED, verdicts
    assert name in FAULTS or common == shown(HEALTHY)

"""Which attentions mix tokens without a bypass."""

from __future__ import annotations

import pytest

from inithealth.evidence.mixing import MixingLimits, mixed
from tests.rules.recordings import layer, measured, recording


def names(spreads: list[float], bypassed: int = 0) -> list[str]:
    layers = tuple(layer(f"v{at}", at, bypassable=at < bypassed, feeds="attention") for at in range(len(spreads)))
    measurements = measured(
        layers, **{each.name: {"token_spread": share} for each, share in zip(layers, spreads, strict=True)}
    )
    return [each.name for each, _ in mixed(recording(layers, measurements), MixingLimits())]


@pytest.mark.parametrize(
    ("spreads", "bypassed", "found"),
    [
        ([0.8, 0.3, 0.04], 0, 3),
        ([0.8, 0.3, 0.06], 0, 0),  # still different
        ([0.1, 0.1, 0.04], 0, 0),  # alike from the start
        ([0.8, 0.01], 0, 0),  # too few
        ([0.8] * 3 + [0.8, 0.3, 0.04], 3, 0),  # skip connections bypass half of them
        ([0.8] * 2 + [0.8, 0.3, 0.04], 2, 3),
    ],
)
def test_a_stack_of_attentions_mixes_tokens(spreads: list[float], bypassed: int, found: int) -> None:
    assert names(spreads, bypassed) == [f"v{at}" for at in range(bypassed, bypassed + found)]

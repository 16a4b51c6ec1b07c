"""Whether most layers are right before a normalization, which restores the scale of their output."""

from __future__ import annotations

from typing import Any

import pytest

from inithealth.evidence.scale_harm import HarmLimits, mostly_normalized
from tests.rules.recordings import measured, recording, stack

NORMED = {f"fc{at}": {"normed": True} for at in range(4)}


@pytest.mark.parametrize(
    ("changes", "outputs", "again"),
    [
        ({}, 1.0, False),
        ({"fc0": {"normed": True}}, 1.0, False),
        ({"fc0": {"normed": True}, "fc1": {"normed": True}}, 1.0, True),  # half of four
        (NORMED, 0.004, False),
        (NORMED, 0.0041, True),
        ({**NORMED, "fc0": {"reaches_loss": False}, "fc1": {"kind": "embedding"}}, 1.0, True),
        ({"head": {"normed": True}, "fc0": {"normed": True}}, 1.0, False),  # the head's output is the network's output
        ({f"fc{at}": {"kind": "embedding", "normed": True} for at in range(4)}, 1.0, False),
    ],
)
def test_layers_right_before_a_norm(changes: dict[str, Any], outputs: float, again: bool) -> None:
    layers = stack(**changes)
    of = recording(layers, measured(layers, {f"fc{at}": outputs for at in range(4)}))
    assert mostly_normalized(of, HarmLimits()) is again


def test_the_smallest_output_that_a_norm_restores_is_a_limit() -> None:
    layers = stack(**NORMED)
    of = recording(layers, measured(layers, {f"fc{at}": 0.004 for at in range(4)}))
    assert mostly_normalized(of, HarmLimits(min_rms_before_norm=0.003))


def test_a_layer_without_a_measured_output_counts_as_normalized() -> None:
    assert mostly_normalized(recording(stack(**NORMED), ()), HarmLimits())

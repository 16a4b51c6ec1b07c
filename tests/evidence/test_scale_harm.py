"""Whether normalization restores the scale of the outputs, and what it does not remove."""

from __future__ import annotations

from typing import Any

import pytest

from inithealth.evidence.scale_harm import HarmLimits, mostly_normalized, too_large_for_norms
from inithealth.recording import Recording
from tests.rules.recordings import measured, recording, residual, signal, stack

NORMED = {f"fc{at}": {"normed": True} for at in range(4)}


@pytest.mark.parametrize(
    ("changes", "outputs", "again"),
    [
        ({}, 1.0, False),
        ({"fc0": {"normed": True}}, 1.0, False),
        ({"fc0": {"normed": True}, "fc1": {"normed": True}}, 1.0, True),  # half of four
        (NORMED, 0.001, False),
        (NORMED, 0.0011, True),
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
    of = recording(layers, measured(layers, {f"fc{at}": 0.001 for at in range(4)}))
    assert mostly_normalized(of, HarmLimits(min_rms_before_norm=0.0009))


def test_a_layer_without_a_measured_output_counts_as_normalized() -> None:
    assert mostly_normalized(recording(stack(**NORMED), ()), HarmLimits())


def of_blocks(added: float, **more: Any) -> Recording:
    """Return a pre-norm network whose second block receives the output of the first one, of this rms."""
    layers = residual(2)
    inputs = {f"h.{at}.norm": {"input": signal((1.0, added)[at]).model_dump()} for at in range(2)}
    outputs = {f"h.{at}.leave": added for at in range(2)}
    return recording(layers, measured(layers, outputs, **inputs), normalized=True, branches=2, **more)


@pytest.mark.parametrize(("added", "hidden"), [(46.0, False), (2900.0, True)])
def test_branches_that_hide_their_input(added: float, hidden: bool) -> None:
    limits = HarmLimits(max_rms_of_whole=1e9)
    assert too_large_for_norms(of_blocks(added), limits) is hidden
    assert not too_large_for_norms(of_blocks(added), HarmLimits(max_rms_of_whole=1e9, max_stream_growth_of_whole=1e9))


@pytest.mark.parametrize(("added", "hidden"), [(10.0, False), (30.0, True)])
def test_branches_that_hide_a_stream_that_is_normalized_after_each_of_them(added: float, hidden: bool) -> None:
    """Each of two branches leaves 1 / 30 of its input."""
    layers = residual(2)
    of = recording(
        layers,
        measured(layers, {f"h.{at}.leave": added for at in range(2)}),
        normalized=True,
        trunk_normalized=True,
        branches=2,
    )
    assert too_large_for_norms(of, HarmLimits()) is hidden
    assert not too_large_for_norms(of.model_copy(update={"trunk_normalized": False}), HarmLimits())


@pytest.mark.parametrize(("std", "saturated"), [(30.0, False), (45.0, True)])
def test_saturated_attention(std: float, saturated: bool) -> None:
    layers = stack(**NORMED)
    of = recording(layers, measured(layers, fc1={"attention_std": std}), normalized=True)
    assert too_large_for_norms(of, HarmLimits()) is saturated
    assert not too_large_for_norms(of, HarmLimits(max_attention_std_of_whole=50.0))


@pytest.mark.parametrize(
    ("outputs", "gradients", "out_of_range"),
    [({"fc2": 105.0}, {}, False), ({"fc2": 270.0}, {}, True), ({}, {"fc0": 9e4}, False), ({}, {"fc0": 2e5}, True)],
)
def test_outputs_and_gradients_out_of_range(
    outputs: dict[str, float], gradients: dict[str, float], out_of_range: bool
) -> None:
    layers = stack(**NORMED)
    of = recording(layers, measured(layers, outputs, gradients), normalized=True)
    assert too_large_for_norms(of, HarmLimits()) is out_of_range


def test_nothing_is_too_large_without_measurements() -> None:
    assert not too_large_for_norms(recording(steps=()), HarmLimits())

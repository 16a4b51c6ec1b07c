"""The expected level of a layer, and intentional zero starts."""

from __future__ import annotations

import math

import pytest

from inithealth.tensorboard.expected import FORWARD, GRADIENT, zero_starts
from inithealth.tensorboard.log2_levels import forward_level, gradient_level
from tests.tensorboard.recordings import changed, plain, relabelled, signal


def test_without_norms_the_inputs_rms_is_expected_everywhere() -> None:
    recording = plain(4, shrinking={2: 0.1}, input_rms=4.0)
    reference = FORWARD.reference(recording, recording.steps[0])
    assert reference.source == "the input's rms"
    assert set(reference.levels.values()) == {2.0}


@pytest.mark.parametrize("inputs", [{}, {"batch": signal(0.0)}, {"batch": signal(math.nan)}], ids=repr)
def test_without_a_usable_input_the_first_layers_rms_is_expected(inputs: object) -> None:
    recording = plain(3, shrinking={0: 0.5, 2: 0.1}).model_copy(update={"inputs": inputs})
    reference = FORWARD.reference(recording, recording.steps[0])
    assert reference.source == "the first layer's rms"
    assert set(reference.levels.values()) == {-1.0}


def test_expected_activations_are_from_the_first_step_and_gradients_from_each() -> None:
    recording = plain(3).model_copy(update={"inputs": {}})
    drifting = changed(recording, "layers.0", step=2, output=signal(8.0))
    shrinking = changed(drifting, "layers.2", step=2, gradient=signal(2.0**-12))
    assert FORWARD.reference(shrinking, shrinking.steps[2]).levels["layers.0"] == 0
    levels = [GRADIENT.reference(shrinking, step).levels["layers.0"] for step in shrinking.steps]
    assert levels == [-3, -3, -5]


def test_with_norms_layers_are_compared_with_their_peers_and_a_norm_with_one() -> None:
    recording = plain(6, shrinking={0: 0.25}).model_copy(update={"normalized": True})
    recording = relabelled(recording, "layers.5", kind="norm")
    recording = changed(recording, "layers.3", output=signal(2.0**-6))
    wanted = FORWARD.reference(recording, recording.steps[0])
    assert wanted.source == "similar layers' median"
    assert wanted.levels == {**{f"layers.{number}": -2.0 for number in range(5)}, "layers.5": 0.0}


@pytest.mark.parametrize("place", [{"head": True}, {"bypassable": True}, {"ends_branch": True}, {"feeds": "residual"}])
def test_a_zero_branch_or_head_is_intentional_and_later_compared_with_its_peers(place: dict[str, object]) -> None:
    recording = plain(4)
    for name in ("layers.1", "layers.3"):
        recording = changed(relabelled(recording, name, **place), name, step=0, output=signal(0.0))
        recording = changed(recording, name, step=1, output=signal(2.0**-9))
    assert zero_starts(recording, forward_level) == {"layers.1", "layers.3"}
    assert FORWARD.reference(recording, recording.steps[1]).levels["layers.1"] == -9


def test_a_zero_in_the_body_is_not_intentional() -> None:
    assert zero_starts(changed(plain(4), "layers.1", output=signal(0.0)), forward_level) == frozenset()


def test_zero_gradients_upstream_of_a_zero_head_are_intentional() -> None:
    recording = relabelled(plain(3), "layers.2", head=True)
    for name in ("layers.0", "layers.1"):
        recording = changed(recording, name, step=0, gradient=signal(0.0))
    assert zero_starts(recording, gradient_level) == frozenset()
    silent = changed(recording, "layers.2", step=0, output=signal(0.0))
    assert zero_starts(silent, gradient_level) == {"layers.0", "layers.1"}


def test_there_is_no_expected_level_without_measurements() -> None:
    recording = changed(plain(2), "layers.0", output=None, gradient=None)
    recording = changed(recording, "layers.1", output=None, gradient=None).model_copy(update={"inputs": {}})
    for quantity in (FORWARD, GRADIENT):
        assert quantity.reference(recording, recording.steps[0]).levels == {}

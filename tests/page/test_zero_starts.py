"""Intentional zero starts."""

from __future__ import annotations

import pytest

from inithealth.page.zero_starts import zero_starts
from tests.rules.recordings import weight
from tests.tensorboard.recordings import changed, plain, relabelled, signal


@pytest.mark.parametrize("place", [{"head": True}, {"bypassable": True}, {"ends_branch": True}, {"feeds": "residual"}])
def test_a_zero_branch_or_head_is_intentional_unless_a_rule_found_something_in_it(place: dict[str, object]) -> None:
    recording = changed(relabelled(plain(3), "layers.1", **place), "layers.1", output=signal(0.0))
    assert zero_starts(recording, "forward", {}) == {"layers.1"}
    assert zero_starts(recording, "forward", {"layers.1": {"zero-weights"}}) == frozenset()


def test_zero_weights_in_which_the_rules_found_nothing_are_intentional() -> None:
    """As the second factors of low-rank adapters."""
    recording = changed(plain(4), "layers.1", output=signal(0.0))
    for rms, expected in ((0.0, {"layers.1"}), (0.1, frozenset())):
        labelled = relabelled(recording, "layers.1", weight=weight("layers.1.weight", rms))
        assert zero_starts(labelled, "forward", {}) == expected
        assert zero_starts(labelled, "forward", {"layers.1": {"zero-weights"}}) == frozenset()


def test_a_zero_in_the_body_is_not_intentional() -> None:
    assert zero_starts(changed(plain(4), "layers.1", output=signal(0.0)), "forward", {}) == frozenset()


def test_zero_gradients_upstream_of_a_zero_head_are_intentional() -> None:
    recording = relabelled(plain(3), "layers.2", head=True)
    for name in ("layers.0", "layers.1"):
        recording = changed(recording, name, step=0, gradient=signal(0.0))
    assert zero_starts(recording, "gradient", {}) == frozenset()
    silent = changed(recording, "layers.2", step=0, output=signal(0.0))
    assert zero_starts(silent, "gradient", {}) == {"layers.0", "layers.1"}
    without_weights = relabelled(recording, "layers.2", weight=weight("head.weight", 0.0))  # its bias is not zero
    assert zero_starts(without_weights, "gradient", {}) == {"layers.0", "layers.1"}

"""Whether a network with a wrong weight scale fails to train."""

from __future__ import annotations

from typing import Any

import pytest

from inithealth.evidence.scale_harm import HarmLimits, disables_branches, loses_signal, prevents_training
from inithealth.recording import Recording
from tests.rules.recordings import layer, measured, recording, stack

LIMITS = HarmLimits()
NORMED = {f"fc{at}": {"normed": True} for at in range(4)}


def network(outputs: float = 1.0, gradient: float = 1.0, **changes: dict[str, Any]) -> Recording:
    layers = stack(**changes)
    sizes = {f"fc{at}": outputs for at in range(4)}
    return recording(layers, measured(layers, sizes, {"fc0": gradient}), normalized=bool(changes))


@pytest.mark.parametrize(
    ("octaves", "on_the_way", "beside", "expected"),
    [(-5.0, 2, 0, False), (-5.1, 2, 0, True), (5.1, 2, 0, True), (-5.1, 1, 5, False), (-10.1, 1, 0, True)],
)
def test_layers_on_the_main_path_lose_the_signal(octaves: float, on_the_way: int, beside: int, expected: bool) -> None:
    layers = [layer(f"l{at}", at, bypassable=at >= on_the_way) for at in range(on_the_way + beside)]
    assert loses_signal(layers, octaves, LIMITS) is expected


@pytest.mark.parametrize(
    ("octaves", "expected"), [(4.0, False), (-4.0, False), (4.1, True), (-4.1, True), (0.0, False)]
)
def test_without_norms_a_network_fails_with_too_large_and_too_small_weights(octaves: float, expected: bool) -> None:
    assert prevents_training(octaves, network(), LIMITS) is expected


@pytest.mark.parametrize(
    ("octaves", "expected"), [(5.0, False), (5.1, True), (-5.1, False), (-30.0, False), (0.5, False)]
)
def test_before_norms_only_large_weights_prevent_training(octaves: float, expected: bool) -> None:
    assert prevents_training(octaves, network(**NORMED), LIMITS) is expected


def test_a_network_with_a_symptom_fails_at_a_smaller_deviation() -> None:
    assert prevents_training(0.5, network(gradient=1e6), LIMITS) is True
    assert prevents_training(-0.5, network(gradient=1e6), LIMITS) is True
    has_symptom_with_norms = recording(stack(**NORMED), measured(stack(**NORMED), fc1={"attention_std": 12.0}))
    assert prevents_training(0.5, has_symptom_with_norms, LIMITS) is True
    assert prevents_training(0.0, has_symptom_with_norms, LIMITS) is False
    assert prevents_training(-0.5, has_symptom_with_norms, LIMITS) is False


@pytest.mark.parametrize(
    ("changes", "outputs", "again"),
    [
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
    assert prevents_training(4.5, network(outputs, **changes), LIMITS) is not again


def test_a_layer_without_a_measured_output_counts_as_normalized() -> None:
    of = recording(stack(**NORMED), ())
    assert not prevents_training(4.5, of, LIMITS)


def test_branches_are_disabled_if_all_norm_weights_are_small() -> None:
    norms = [layer(f"n{at}", 10 + at, kind="norm", weight={"shape": (96,), "rms": 0.01}) for at in range(2)]
    of = recording((*stack(), *norms))
    assert disables_branches(norms, of, LIMITS)
    assert not disables_branches(norms[:1], of, LIMITS)
    assert not disables_branches([], recording(), LIMITS)
    assert not disables_branches(norms, recording((*stack(**NORMED), *norms)), LIMITS)

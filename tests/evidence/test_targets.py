"""The targets of a layer's std and gain: free if many scales are healthy, the peers' if a scale is wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest

from inithealth.evidence.targets import FREE, Targets, is_outside, weight_size
from inithealth.recording import Layer, Scheme
from tests.rules.recordings import layer, stack

XAVIER = 96**-0.5


def targets(*layers: Layer, **found: str) -> Targets:
    return Targets(layers, {name.replace("_", "."): {rule} for name, rule in found.items()})


def test_a_layer_before_relu_should_preserve_the_signal() -> None:
    xavier = layer("fc", 0, wants=0.1443, weight={"rms": XAVIER})
    assert targets(xavier).gain(xavier) == pytest.approx(math.sqrt(2), abs=1e-4)
    assert targets(xavier).std(xavier) == 0.1443


@pytest.mark.parametrize(
    "place",
    [
        {"normed": True},
        {"reads_norm": True},
        {"feeds": "norm"},
        {"bypassable": True},
        {"ends_branch": True},
        {"head": True},
        {"kind": "rnn"},
        {"called": False},
    ],
    ids=str,
)
def test_the_target_is_free_if_many_scales_are_healthy(place: dict[str, Any]) -> None:
    free = layer("fc", 0, wants=0.1, scheme=Scheme(name="xavier", text="Xavier normal"), **place)
    assert (targets(free).std(free), targets(free).gain(free)) == (FREE, FREE)


@pytest.mark.parametrize("kind", ["norm", "scale", "embedding", "other"])
def test_a_layer_without_a_matrix_has_no_gain(kind: str) -> None:
    each = layer("x", 0, kind=kind)
    assert (targets(each).std(each), targets(each).gain(each)) == (FREE, None)


def test_a_layer_without_a_weight_has_no_std() -> None:
    bare = layer("fc", 0).model_copy(update={"weight": None})
    assert targets(bare).std(bare) is None
    assert weight_size(bare) is None


def test_a_wrong_layer_with_a_free_scale_is_compared_with_its_peers() -> None:
    """In a network with norms the target is the peers' 0.02, not the std that preserves the signal without norms."""
    peers = [layer(f"h.{n}.fc", n, reads_norm=True, wants=0.144, weight={"rms": 0.02}) for n in range(4)]
    wrong = layer("h.4.fc", 4, reads_norm=True, wants=0.144, weight={"rms": 0.6})
    judged = targets(*peers, wrong, h_4_fc="weight-scale")
    assert judged.std(wrong) == pytest.approx(0.02)
    assert judged.gain(wrong) == pytest.approx(0.02 * math.sqrt(96))
    assert (judged.std(peers[0]), judged.gain(peers[0])) == (FREE, FREE)


def test_without_peers_the_target_preserves_the_signal() -> None:
    alone = layer("fc", 0, reads_norm=True, wants=0.144, weight={"rms": 0.6})
    judged = targets(alone, fc="weight-scale")
    assert (judged.std(alone), judged.gain(alone)) == (0.144, pytest.approx(0.144 * math.sqrt(96)))
    unknown = layer("fc", 0, reads_norm=True, weight={"rms": 0.6, "fan_in": None})
    assert targets(unknown, fc="weight-scale").gain(unknown) == pytest.approx(math.sqrt(2), abs=1e-4)


def test_a_rule_on_the_signal_does_not_change_a_free_target() -> None:
    inside = layer("fc", 0, bypassable=True, wants=0.144)
    assert targets(inside, fc="dead-units").std(inside) == FREE


def test_branches_should_be_scaled_by_their_number() -> None:
    ends = [layer(f"h.{n}.out", n, ends_branch=True, wants=0.144, weight={"rms": 0.02}) for n in range(4)]
    misplaced = layer("fc", 4, wants=0.144, weight={"rms": 0.01})
    judged = targets(*ends, misplaced, h_0_out="unscaled-residual", fc="unscaled-residual")
    assert judged.std(ends[0]) == pytest.approx(0.01)
    assert judged.std(misplaced) == pytest.approx(0.02)
    lone = targets(misplaced, fc="unscaled-residual")
    assert lone.std(misplaced) == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("changes", "size"),
    [
        ({"rms": 0.5, "mean": 0.3}, 0.4),
        ({"rms": 0.5, "mean": 0.4999, "constant": True}, 0.0),
    ],
)
def test_the_size_of_a_weight_is_its_std(changes: Mapping[str, Any], size: float) -> None:
    assert weight_size(layer("fc", 0, weight=changes)) == pytest.approx(size)


def test_the_size_of_an_elementwise_weight_is_its_rms() -> None:
    assert weight_size(layer("norm", 0, kind="norm", weight={"rms": 1.0, "mean": 1.0, "constant": True})) == 1.0


@pytest.mark.parametrize(
    ("value", "target", "outside"),
    [
        (1.24, 1.0, False),
        (1.26, 1.0, True),
        (0.81, 1.0, False),
        (0.79, 1.0, True),
        (math.nan, 1.0, True),
        (math.inf, 1.0, True),
        (0.0, 0.0, False),
        (5.0, FREE, False),
        (5.0, None, False),
    ],
)
def test_a_value_is_outside_if_it_differs_by_more_than_chance(value: float, target: Any, outside: bool) -> None:
    assert is_outside(value, target) is outside


def test_computing_targets_does_not_change_the_network() -> None:
    layers = stack()
    judged = targets(*layers)
    assert [judged.std(each) for each in layers] == [judged.std(each) for each in layers]
    assert judged.std(layers[-1]) == FREE


def test_there_is_no_target_if_the_fed_operation_is_unknown() -> None:
    unknown = layer("fc", 0, feeds="unknown", activation=None, wants=0.1)
    assert (targets(unknown).std(unknown), targets(unknown).gain(unknown)) == (None, None)
    wrong = targets(unknown, fc="weight-scale")
    assert (wrong.std(unknown), wrong.gain(unknown)) == (0.1, pytest.approx(0.1 * math.sqrt(96)))
    head = layer("fc", 0, feeds="unknown", activation=None, head=True)
    assert targets(head).std(head) == FREE


def test_a_non_finite_weight_has_no_size() -> None:
    assert math.isnan(weight_size(layer("fc", 0, weight={"non_finite": 1})) or 0.0)

"""Which parameters a whole initialization leaves as they are."""

from __future__ import annotations

from typing import Any

import pytest

from inithealth.planning.kept import Kept
from inithealth.recording import Layer, Weight
from tests.rules.recordings import layer, recording, weight


def kept(*layers: Layer, repaired: str = "", **more: Any) -> Kept:
    return Kept(recording(layers, **more), {repaired})


def of(each: Layer) -> Weight:
    assert each.weight is not None
    return each.weight


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ({}, ""),
        ({"weight": {"trainable": False}}, "they are frozen"),
        ({"weight": {"rms": 0.0}}, "they start at zero intentionally"),
        ({"weight": {"identity": True}}, "they start at the identity"),
        ({"weight": {"mean": 0.2}}, "they were not drawn around zero"),
        ({"weight": {"rms": 1e-4}}, "they start near zero intentionally"),
        ({"kind": "embedding", "scores_only": True}, "they are added to attention scores"),
        ({"kind": "scale"}, "learned scales start where their authors put them"),
        ({"kind": "other"}, "their role is not known"),
        ({"feeds": "unknown", "activation": None}, "their role is not known"),
        ({"steers": "offsets"}, "they set positions or generate weights"),
        ({"transformed": True}, "each forward pass computes other weights from them"),
        ({"activation": "exp"}, "they set decays, rates and time steps"),
        ({"activation": "sin", "reads_input": True}, "they set the frequencies of a sine network"),
        ({"kind": "norm", "weight": {"mean": 1.0, "rms": 1.0}}, ""),
    ],
)
def test_weights_are_kept_for_a_reason(place: dict[str, Any], reason: str) -> None:
    fc = layer("fc", 0, **place)
    assert kept(fc).weight(fc, of(fc)) == reason


@pytest.mark.parametrize("changes", [{"rms": 0.0}, {"mean": 0.2}, {"rms": 1e-4}])
def test_a_finding_shows_that_a_start_is_not_intentional(changes: dict[str, Any]) -> None:
    fc = layer("fc", 0, weight=changes)
    assert kept(fc, repaired="fc.weight").weight(fc, of(fc)) == ""


def test_a_start_near_zero_is_one_of_all_peers() -> None:
    small, usual = layer("h.0.fc", 0, weight={"rms": 1e-4}), layer("h.1.fc", 1)
    assert kept(small, usual).weight(small, of(small)) == ""


def test_a_few_elements_do_not_show_where_they_were_drawn_around() -> None:
    fc = layer("fc", 0, weight={"shape": (2, 4), "mean": 0.1})
    assert kept(fc).weight(fc, of(fc)) == ""


def test_what_the_first_batch_initializes_stays() -> None:
    fc = layer("fc", 0)
    assert kept(fc, forward_writes={"fc.weight": {}}).weight(fc, of(fc)) == "the first batch initializes them"


def bias(rms: float = 0.05, **more: Any) -> dict[str, Any]:
    return weight("fc.bias", rms, **{"shape": (96,), "abs_max": 0.1, **more}).model_dump()


CONSTANT = {"constant": True, "abs_max": 2.0}


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ({"bias": bias()}, ""),
        ({"bias": bias(0.0, abs_max=0.0)}, ""),
        ({"bias": bias(trainable=False)}, "they are frozen"),
        ({"bias": bias(2.0, mean=-2.0, **CONSTANT)}, "they were set to values other than 0"),
        ({"bias": bias(2.0, mean=-2.0, shape=(1,), abs_max=2.0)}, "they were set to values other than 0"),
        ({"bias": bias(0.05, mean=0.05, shape=(1,), abs_max=0.05)}, ""),
        ({"bias": bias(1.0, mean=0.9, abs_max=1.5)}, "they were set to values other than 0"),
        ({"bias": bias(), "kind": "rnn", "type_name": "LSTM"}, "they open and close gates"),
        ({"bias": bias(), "kind": "rnn", "type_name": "RNN"}, ""),
        ({"bias": bias(), "activation": "sin"}, "they are phases of a sine"),
        ({"bias": bias(), "steers": "affine"}, "they set positions or generate weights"),
    ],
)
def test_biases_are_kept_for_a_reason(place: dict[str, Any], reason: str) -> None:
    fc = layer("fc", 0, **place)
    assert fc.bias is not None
    assert kept(fc).bias(fc, fc.bias) == reason
    if reason == "they were set to values other than 0":
        assert kept(fc, repaired="fc.bias").bias(fc, fc.bias) == ""

"""Values derived from a frozen recording."""

from __future__ import annotations

import json
import math

import pytest

from inithealth.recording import Layer, Measurement, Recording, Step, Weight, weighted
from tests.rules.recordings import recording, signal, stack, weight


def pair(name: str, own: Weight | None) -> Layer:
    return Layer(name=name, module=name, kind="linear", type_name="Linear", index=0, weight=own)


FULL = pair("fc", weight("fc.weight", 0.5, shape=(8, 4)))
EMPTY = pair("packed", None)


def test_layers_without_a_weight_are_omitted_and_the_order_is_kept() -> None:
    last = pair("out", weight("out.weight", 0.5, shape=(2, 8)))
    assert weighted([last, EMPTY, FULL]) == [(last, last.weight), (FULL, FULL.weight)]


def test_weighted_layers_of_a_recording_are_in_forward_order() -> None:
    found = recording(stack())
    assert found.weighted == weighted(found.layers)
    assert [layer.name for layer, _ in found.weighted] == [layer.name for layer in found.layers]


def test_a_layer_has_the_name_shape_and_gain_of_its_weight() -> None:
    assert FULL.weight is not None
    assert (FULL.parameter, FULL.shape, FULL.gain) == ("fc.weight", (8, 4), FULL.weight.gain)
    assert (EMPTY.parameter, EMPTY.shape, EMPTY.gain) == ("", (), None)


def test_derived_values_are_not_serialized() -> None:
    found = recording(stack())
    saved = json.loads(found.model_dump_json())
    assert "weighted" not in saved
    assert not {"parameter", "shape", "gain"} & saved["layers"][0].keys()
    assert Recording.model_validate(saved) == found


def test_a_gain_is_the_output_over_the_input() -> None:
    m = Measurement(layer="fc", input=signal(2.0), output=signal(3.0), predicted=5.0)
    assert (m.gain, m.predicted_gain) == (1.5, 2.5)


@pytest.mark.parametrize(
    "change",
    [{"input": None}, {"input": signal(0.0)}, {"input": signal(math.nan)}, {"output": None, "predicted": None}],
)
def test_there_is_no_gain_without_both(change: dict[str, object]) -> None:
    known = {"layer": "fc", "input": signal(2.0), "output": signal(3.0), "predicted": 5.0}
    m = Measurement.model_validate({**known, **change})
    assert m.gain is m.predicted_gain is None


@pytest.mark.parametrize(
    ("loss", "norm", "broken"),
    [(1.0, 1.0, False), (None, None, False), (math.nan, 1.0, True), (1.0, math.inf, True), (None, math.nan, True)],
)
def test_a_step_is_broken_if_a_loss_or_a_gradient_is(loss: float | None, norm: float | None, broken: bool) -> None:
    assert Step(index=0, loss=loss, global_gradient_norm=norm).broken is broken


def test_a_layer_is_found_by_its_name() -> None:
    of = recording()
    assert of.layer("fc1") is of.layers[1]
    with pytest.raises(KeyError, match="fc9"):
        of.layer("fc9")


def test_the_first_step_by_layer() -> None:
    of = recording()
    assert list(of.first) == ["fc0", "fc1", "fc2", "fc3", "head"]
    assert Recording(model="Net", layers=(), steps=()).first == {}

from __future__ import annotations

import json

from inithealth.recording import Layer, Recording, Weight, weighted
from tests.rules.recordings import recording, stack, weight


def pair(name: str, own: Weight | None) -> Layer:
    return Layer(name=name, module=name, kind="linear", type_name="Linear", index=0, weight=own)


FULL = pair("fc", weight("fc.weight", 0.5, shape=(8, 4)))
EMPTY = pair("packed", None)


def test_layers_without_a_weight_are_left_out_and_the_order_stays() -> None:
    last = pair("out", weight("out.weight", 0.5, shape=(2, 8)))
    assert weighted([last, EMPTY, FULL]) == [(last, last.weight), (FULL, FULL.weight)]


def test_those_of_a_recording_are_in_forward_order() -> None:
    found = recording(stack())
    assert found.weighted == weighted(found.layers)
    assert [layer.name for layer, _ in found.weighted] == [layer.name for layer in found.layers]


def test_a_layer_has_the_name_shape_and_gain_of_its_weight() -> None:
    assert FULL.weight is not None
    assert (FULL.parameter, FULL.shape, FULL.gain) == ("fc.weight", (8, 4), FULL.weight.gain)
    assert (EMPTY.parameter, EMPTY.shape, EMPTY.gain) == ("", (), None)


def test_none_of_them_is_saved() -> None:
    found = recording(stack())
    saved = json.loads(found.model_dump_json())
    assert "weighted" not in saved
    assert not {"parameter", "shape", "gain"} & saved["layers"][0].keys()
    assert Recording.model_validate(saved) == found

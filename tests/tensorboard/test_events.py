"""Summary protos: TensorBoard reads back what was written."""

from __future__ import annotations

import io
import math

import pytest
from PIL import Image
from tensorboard.plugins.custom_scalar.layout_pb2 import Category, Layout

from inithealth.tensorboard.events import image_event, layout_event, scalars_event, text_event


def test_scalars_are_in_one_proto_with_their_descriptions() -> None:
    event = scalars_event({"a": 1.5, "b": -2.0}, {"a": "the first"})
    assert {value.tag: value.simple_value for value in event.value} == {"a": 1.5, "b": -2.0}
    assert [value.metadata.summary_description for value in event.value] == ["the first", ""]
    assert {value.metadata.plugin_data.plugin_name for value in event.value} == {"scalars"}
    assert not scalars_event({}).value


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_non_finite_number_is_rejected(bad: float) -> None:
    with pytest.raises(ValueError, match="b is "):
        scalars_event({"a": 1.0, "b": bad})


def test_a_picture_keeps_its_size_and_bytes() -> None:
    file = io.BytesIO()
    Image.new("RGB", (7, 5)).save(file, "PNG")
    [value] = image_event({"map": file.getvalue()}, {"map": "a map"}).value
    assert (value.image.width, value.image.height) == (7, 5)
    assert value.image.encoded_image_string == file.getvalue()
    assert (value.metadata.plugin_data.plugin_name, value.metadata.summary_description) == ("images", "a map")


def test_a_text_is_one_string() -> None:
    [value] = text_event("alerts", "# ä").value
    assert (value.tag, list(value.tensor.string_val)) == ("alerts", ["# ä".encode()])
    assert [dim.size for dim in value.tensor.tensor_shape.dim] == [1]
    assert value.metadata.plugin_data.plugin_name == "text"


def test_a_layout_is_read_back_unchanged() -> None:
    layout = Layout(category=[Category(title="one")])
    [value] = layout_event(layout).value
    assert Layout.FromString(value.tensor.string_val[0]) == layout
    assert value.tag == "custom_scalars__config__"

"""Summary protos, which TensorBoard's built-in dashboards read."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping

from PIL import Image
from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_TENSOR, Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_FLOAT, DT_STRING
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout
from tensorboard.plugins.custom_scalar.metadata import CONFIG_SUMMARY_TAG
from tensorboard.plugins.custom_scalar.metadata import create_summary_metadata as layout_metadata
from tensorboard.plugins.image.metadata import PLUGIN_NAME as IMAGES
from tensorboard.plugins.scalar.metadata import PLUGIN_NAME as SCALARS
from tensorboard.plugins.text.metadata import create_summary_metadata as text_metadata

from inithealth.page.step_values import STATISTICS
from inithealth.tensorboard import tab_tags


def scalars_event(values: Mapping[str, float], descriptions: Mapping[str, str] | None = None) -> Summary:
    """Return all values in one proto. Raises ValueError if one is not finite: charts cannot show it."""
    for tag, value in values.items():
        if not math.isfinite(value):
            raise ValueError(f"{tag} is {value}")
    return Summary(
        value=[
            Summary.Value(tag=tag, simple_value=value, metadata=_metadata(SCALARS, (descriptions or {}).get(tag, "")))
            for tag, value in values.items()
        ]
    )


def image_event(pictures: Mapping[str, bytes], descriptions: Mapping[str, str]) -> Summary:
    """Return a proto of PNG files by tag."""
    values = []
    for tag, png in pictures.items():
        width, height = Image.open(io.BytesIO(png)).size
        image = Summary.Image(width=width, height=height, colorspace=3, encoded_image_string=png)
        values.append(Summary.Value(tag=tag, image=image, metadata=_metadata(IMAGES, descriptions.get(tag, ""))))
    return Summary(value=values)


def text_event(tag: str, markdown: str) -> Summary:
    """Return a proto of Markdown for the Text dashboard."""
    tensor = _string(markdown.encode("utf-8", "backslashreplace"), TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)]))
    return Summary(value=[Summary.Value(tag=tag, tensor=tensor, metadata=text_metadata(None, None))])


def layout_event(layout: Layout) -> Summary:
    """Return a proto of the layout of the Custom Scalars dashboard."""
    tensor = _string(layout.SerializeToString(), TensorShapeProto())
    return Summary(value=[Summary.Value(tag=CONFIG_SUMMARY_TAG, tensor=tensor, metadata=layout_metadata())])


def tab_text_event(tag: str, text: str) -> Summary:
    """Return a proto of text for the plugin's tab."""
    return _tab_event(tag, _string(text.encode("utf-8", "backslashreplace"), TensorShapeProto()))


def tab_values_event(tag: str, block: bytes) -> Summary:
    """Return a proto of the values of one step, statistics x layers, for the plugin's tab."""
    shape = [TensorShapeProto.Dim(size=len(STATISTICS)), TensorShapeProto.Dim(size=len(block) // 4 // len(STATISTICS))]
    tensor = TensorProto(dtype=DT_FLOAT, tensor_content=block, tensor_shape=TensorShapeProto(dim=shape))
    return _tab_event(tag, tensor)


def _tab_event(tag: str, tensor: TensorProto) -> Summary:
    # Without a data class, TensorBoard does not show the tag to plugins.
    version = f'{{"version":{tab_tags.VERSION}}}'.encode()
    plugin = SummaryMetadata.PluginData(plugin_name=tab_tags.PLUGIN, content=version)
    metadata = SummaryMetadata(plugin_data=plugin, data_class=DATA_CLASS_TENSOR)
    return Summary(value=[Summary.Value(tag=tag, tensor=tensor, metadata=metadata)])


def _string(content: bytes, shape: TensorShapeProto) -> TensorProto:
    return TensorProto(dtype=DT_STRING, string_val=[content], tensor_shape=shape)


def _metadata(plugin: str, description: str) -> SummaryMetadata:
    return SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=plugin), summary_description=description)

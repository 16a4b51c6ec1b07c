"""The layout of the Custom Scalars dashboard."""

from __future__ import annotations

from pathlib import Path

from tensorboard.plugins.custom_scalar.layout_pb2 import Layout

from inithealth.tensorboard.layout import layout
from tests.tensorboard.recordings import plain
from tests.tensorboard.test_summaries import written


def test_the_layout_is_valid_and_its_tags_exist(tmp_path: Path) -> None:
    accumulator = written(tmp_path, plain(5))
    [event] = accumulator.Tensors("custom_scalars__config__")
    [category] = Layout.FromString(event.tensor_proto.string_val[0]).category
    tags = set(accumulator.Tags()["scalars"])
    for chart in category.chart:
        for series in chart.margin.series:
            assert {series.value, series.lower, series.upper} <= tags


def test_the_charts_are_in_reverse_order_and_show_a_margin_around_the_median() -> None:
    [category] = layout().category
    assert [chart.title.split(",")[0] for chart in category.chart] == ["Gradient", "Forward"]
    [series] = category.chart[1].margin.series
    assert (series.value, series.lower, series.upper) == tuple(
        f"zz_init_health/forward_log2_rms/{share}" for share in ("p50", "p10", "p90")
    )

"""The layout of the Custom Scalars dashboard."""

from __future__ import annotations

from pathlib import Path

from tensorboard.plugins.custom_scalar.layout_pb2 import Layout

from inithealth.tensorboard.layout import layout
from tests.tensorboard.recordings import changed, plain
from tests.tensorboard.test_summaries import written


def test_the_layout_is_valid_and_its_tags_exist(tmp_path: Path) -> None:
    accumulator = written(tmp_path, plain(5))
    [event] = accumulator.Tensors("custom_scalars__config__")
    layout = Layout.FromString(event.tensor_proto.string_val[0])
    charts = [chart for category in layout.category for chart in category.chart]
    assert len(charts) == 4
    assert sum("within x2 of the input's rms" in chart.title for chart in charts) == 1
    tags = set(accumulator.Tags()["scalars"])
    for chart in charts:
        assert chart.margin.series
        for series in chart.margin.series:
            assert {series.value, series.lower, series.upper} <= tags


def test_the_charts_of_a_quantity_are_in_reverse_order() -> None:
    categories = layout(plain(5)).category
    assert len(categories) == 2
    for category in categories:
        assert [chart.title.split(",")[0] for chart in category.chart] == ["Gradient", "Forward"]
    assert "at step 0," in categories[0].title


def test_the_prediction_is_a_separate_band() -> None:
    """Only if there is a prediction, and not for gradients."""
    recording = plain(5)
    assert [len(chart.margin.series) for chart in layout(recording).category[0].chart] == [1, 1]
    predicted = changed(recording, "layers.1", predicted=2.0)
    gradient, forward = layout(predicted).category[0].chart
    assert (len(gradient.margin.series), len(forward.margin.series)) == (1, 2)
    assert "predicted from the weights" in forward.title
    assert "predicted from the weights" not in gradient.title


def test_the_range_over_layers_is_a_margin_around_the_median() -> None:
    chart = layout(plain(5)).category[1].chart[1]
    [series] = chart.margin.series
    assert (series.value, series.lower, series.upper) == tuple(
        f"init_health/forward_log2_rms/{share}" for share in ("p50", "p10", "p90")
    )

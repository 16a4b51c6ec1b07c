"""The Custom Scalars dashboard: the range of the signal and of the gradient over the layers."""

from __future__ import annotations

from tensorboard.plugins.custom_scalar import layout_pb2

from inithealth.tensorboard.scalars import GROUP, SPREADS

_TITLES = {"forward": "Forward, log2 rms of the output", "gradient": "Gradient, log2 norm at the output"}


def layout() -> layout_pb2.Layout:
    """Return one category of two margin charts.

    Titles contain no measured numbers: runs share a chart only if its title is the same.
    """
    # TensorBoard 2.21 shows the margin charts of a category in reverse order; forward should be first.
    charts = [_spread(quantity) for quantity in reversed(SPREADS)]
    return layout_pb2.Layout(
        category=[layout_pb2.Category(title="Init health: all layers, step by step", chart=charts)]
    )


def _spread(quantity: str) -> layout_pb2.Chart:
    tag = GROUP + SPREADS[quantity]
    series = layout_pb2.MarginChartContent.Series(value=f"{tag}/p50", lower=f"{tag}/p10", upper=f"{tag}/p90")
    title = f"{_TITLES[quantity]}. Median layer, band: p10 to p90"
    return layout_pb2.Chart(title=title, margin=layout_pb2.MarginChartContent(series=[series]))

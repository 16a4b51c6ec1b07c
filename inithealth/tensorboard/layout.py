"""The Custom Scalars dashboard: how far the layers lie apart, and the depth profile."""

from __future__ import annotations

from tensorboard.plugins.custom_scalar import layout_pb2

from inithealth.recording import Recording
from inithealth.tensorboard.profile import PROFILES, Profile
from inithealth.tensorboard.scalars import GROUP, SPREADS

# Stock TensorBoard 2.21 shows the margin charts of a category in reverse: forward is to come first.
_SHOWN_FIRST_LAST = PROFILES[::-1]
_TITLES = {"forward": "Forward, log2 rms of the output", "gradient": "Gradient, log2 norm at the output"}


def layout(recording: Recording) -> layout_pb2.Layout:
    """Two categories of two margin charts each, for a recording of one step or more.

    Titles hold no measured number: TensorBoard lets runs share a chart if its title is the same.
    """
    profiles = f"Init health: layer by layer at step {recording.steps[0].index}, x = layer, 0 = input"
    return layout_pb2.Layout(
        category=[
            layout_pb2.Category(title=profiles, chart=[_depth(profile, recording) for profile in _SHOWN_FIRST_LAST]),
            layout_pb2.Category(
                title="Init health: all layers, step by step", chart=[_spread(profile) for profile in _SHOWN_FIRST_LAST]
            ),
        ]
    )


def _depth(profile: Profile, recording: Recording) -> layout_pb2.Chart:
    wanted = profile.quantity.reference(recording, recording.steps[0]).source
    title = f"{_TITLES[profile.quantity.name]}. Healthy band: within x2 of {wanted}"
    return _margin(title, profile.measured, profile.lower, profile.upper)


def _spread(profile: Profile) -> layout_pb2.Chart:
    tag = GROUP + SPREADS[profile.quantity.name]
    return _margin(
        f"{_TITLES[profile.quantity.name]}. Median layer, band: p10 to p90",
        *(f"{tag}/{name}" for name in ("p50", "p10", "p90")),
    )


def _margin(title: str, value: str, lower: str, upper: str) -> layout_pb2.Chart:
    series = layout_pb2.MarginChartContent.Series(value=value, lower=lower, upper=upper)
    return layout_pb2.Chart(title=title, margin=layout_pb2.MarginChartContent(series=[series]))

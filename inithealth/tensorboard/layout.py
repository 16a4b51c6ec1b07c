"""The Custom Scalars dashboard: the range over the layers, and the depth profile."""

from __future__ import annotations

from tensorboard.plugins.custom_scalar import layout_pb2

from inithealth.recording import Recording
from inithealth.tensorboard.profile import PROFILES, Profile
from inithealth.tensorboard.scalars import GROUP, SPREADS

# TensorBoard 2.21 shows the margin charts of a category in reverse order; forward should be first.
_SHOWN_FIRST_LAST = PROFILES[::-1]
_TITLES = {"forward": "Forward, log2 rms of the output", "gradient": "Gradient, log2 norm at the output"}


def layout(recording: Recording) -> layout_pb2.Layout:
    """Return two categories of two margin charts each, for a recording of at least one step.

    Titles contain no measured numbers: runs share a chart only if its title is the same.
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
    expected = profile.quantity.reference(recording, recording.steps[0]).source
    title = f"{_TITLES[profile.quantity.name]}. Healthy band: within x2 of {expected}"
    theory = [profile.theory] if profile.predicts(recording) else []
    title += ". Narrow band: predicted from the weights" if theory else ""
    return _margin(title, (profile.measured, profile.lower, profile.upper), *theory)


def _spread(profile: Profile) -> layout_pb2.Chart:
    tag = GROUP + SPREADS[profile.quantity.name]
    return _margin(
        f"{_TITLES[profile.quantity.name]}. Median layer, band: p10 to p90",
        (f"{tag}/p50", f"{tag}/p10", f"{tag}/p90"),
    )


def _margin(title: str, *curves: tuple[str, str, str]) -> layout_pb2.Chart:
    """Return a chart of curves, each given by the tags of its value, lower and upper margin."""
    series = [layout_pb2.MarginChartContent.Series(value=v, lower=low, upper=high) for v, low, high in curves]
    return layout_pb2.Chart(title=title, margin=layout_pb2.MarginChartContent(series=series))

"""All that is written to TensorBoard: a dozen scalars, the depth profile, two pictures and the alert table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from inithealth.findings import Report, Severity
from inithealth.recording import Recording, Step

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary

PICTURES = {"forward": "init_health/all_layers_forward", "gradient": "init_health/all_layers_gradient"}
ALERTS = "init_health/alerts"
_PICTURE_TEXT = (
    "One row per layer, the input at the top; one column per recorded step. Gray: within x2 of the expected level. "
    "Blue: too small. Red: too large. Magenta: NaN or infinite. Hatched: not measured, or intentionally zero (a branch "
    "or head that starts at zero, later compared with similar layers). Red frame: the cause."
)


class Writer(Protocol):
    """The method used of a `torch.utils.tensorboard.SummaryWriter`: its public methods write one value per event."""

    def _get_file_writer(self) -> Any: ...


class Summaries:
    """Writes through a SummaryWriter, which belongs to the caller and stays open.

    If the findings changed in a step, call :meth:`report` before :meth:`step`, so that the counts and pictures of the
    step include them. In the other order a picture may be drawn twice.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._recording: Recording | None = None
        self._report: Report | None = None
        self._drawn: tuple[int, frozenset[str]] | None = None  # step and root-cause layers of the last pictures
        self._steps = 0
        self._started = False

    def step(self, recording: Recording, step: Step) -> None:
        """Write the latest watched step; ``recording`` contains it and the earlier steps that are kept."""
        from inithealth.tensorboard.scalars import report_scalars, step_scalars

        self._start(recording)
        self._steps += 1
        self._scalars(step_scalars(step) | (report_scalars(self._report) if self._report else {}), step.index)
        if _is_round(self._steps):
            self._draw(recording, step.index)

    def report(self, recording: Recording, report: Report, step: int) -> None:
        """Write the alert table, the number of causes, and new pictures if the root-cause layers changed."""
        from inithealth.tensorboard.alert_table import alerts
        from inithealth.tensorboard.events import text_event
        from inithealth.tensorboard.scalars import report_scalars

        self._start(recording)
        # TensorBoard keeps ten texts per tag: repeated findings would displace the first ones.
        if self._report is None or self._report.findings != report.findings:
            self._write(text_event(ALERTS, alerts(report, step)), step)
        self._report = report
        self._scalars(report_scalars(report), step)
        if self._drawn is None or self._drawn[1] != self._causes():
            self._draw(recording, step)
        # The writer buffers events for two minutes: an alert that stops the training must be visible at once.
        self._writer._get_file_writer().flush()

    def close(self) -> None:
        """Draw the last step unless it is drawn already, and flush. The writer stays open."""
        if self._recording is not None and self._recording.steps:
            self._draw(self._recording, self._recording.steps[-1].index)
            self._writer._get_file_writer().flush()

    def _start(self, recording: Recording) -> None:
        """Write the layout and the depth profile, once, at the first step."""
        self._recording = recording
        if self._started or not recording.steps:
            return
        from inithealth.tensorboard.events import layout_event, scalars_event
        from inithealth.tensorboard.layout import layout
        from inithealth.tensorboard.profile import PROFILES

        self._started = True
        self._write(layout_event(layout(recording)), recording.steps[0].index)
        for profile in PROFILES:
            for layer, values in profile.points(recording):
                self._write(scalars_event(values), layer)

    def _draw(self, recording: Recording, step: int) -> None:
        causes = self._causes()
        if self._drawn == (step, causes) or not recording.steps:
            return
        from inithealth.tensorboard.depth_map import depth_map
        from inithealth.tensorboard.events import image_event
        from inithealth.tensorboard.expected import FORWARD, GRADIENT
        from inithealth.tensorboard.heatmap import draw

        pictures = {
            PICTURES[quantity.name]: draw(depth_map(recording, quantity, causes)) for quantity in (FORWARD, GRADIENT)
        }
        self._write(image_event(pictures, dict.fromkeys(pictures, _PICTURE_TEXT)), step)
        self._drawn = (step, causes)

    def _causes(self) -> frozenset[str]:
        """Return the layers of the causes of the highest severity, without info, so that only a few rows are framed."""
        causes = [cause for cause in self._report.causes if cause.severity > Severity.INFO] if self._report else []
        worst = max((cause.severity for cause in causes), default=None)
        return frozenset(layer for cause in causes if cause.severity is worst for layer in cause.layers)

    def _scalars(self, values: dict[str, float], step: int) -> None:
        from inithealth.tensorboard.events import scalars_event
        from inithealth.tensorboard.scalars import DESCRIPTIONS, GROUP

        descriptions = {GROUP + name: text for name, text in DESCRIPTIONS.items()}
        self._write(scalars_event({GROUP + name: value for name, value in values.items()}, descriptions), step)

    def _write(self, summary: Summary, step: int) -> None:
        if summary.value:
            self._writer._get_file_writer().add_summary(summary, step)


def _is_round(count: int) -> bool:
    """Return whether it is 1, 2, 5, 10, 20, ...: TensorBoard keeps ten pictures per tag, each drawn in 10 ms."""
    return str(count).rstrip("0") in {"1", "2", "5"}

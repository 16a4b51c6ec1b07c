"""All that is written to TensorBoard: eight scalars, three pictures, the alert table, and the data of the tab."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from inithealth.findings import Report, Severity
from inithealth.page.state import state
from inithealth.recording import Recording, Step
from inithealth.report.cause_layers import rules_of_causes
from inithealth.tensorboard.scalars import GROUP
from inithealth.tensorboard.tab_writer import TabWriter

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary

# The prefix sorts the tags after the user's own, the number the verdict before the maps.
VERDICT = f"{GROUP}1_verdict"
PICTURES = {"forward": f"{GROUP}2_forward", "gradient": f"{GROUP}3_gradient"}
ALERTS = f"{GROUP}alerts"
_PICTURE_TEXT = (
    "One row per layer, the input at the top; one column per recorded step. Gray: within x2 of what is expected there. "
    "Blue: too small. Red: too large. Magenta: NaN or infinite. Hatched: not measured, or intentionally zero (a branch "
    "or head that starts at zero). Red frame: the cause."
)


class StepBlock(Protocol):
    """The values of a step, as `page.step_values` packs them."""

    @property
    def step(self) -> int: ...
    @property
    def block(self) -> bytes: ...


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
        self._tab = TabWriter(self._write)

    def step(self, recording: Recording, step: Step) -> None:
        """Write the latest watched step; ``recording`` contains it and the earlier steps that are kept."""
        from inithealth.tensorboard.scalars import report_scalars, step_scalars

        self._start(recording)
        self._steps += 1
        self._scalars(step_scalars(step) | (report_scalars(self._report) if self._report else {}), step.index)
        if _is_round(self._steps):
            self._draw(recording, step.index)

    def report(self, recording: Recording, report: Report, step: int) -> None:
        """Write the alert table, the verdict, the number of causes, and new maps if the root-cause layers changed."""
        from inithealth.tensorboard.alert_table import alerts
        from inithealth.tensorboard.events import image_event, text_event
        from inithealth.tensorboard.scalars import report_scalars
        from inithealth.tensorboard.verdict_picture import draw_verdict

        self._start(recording)
        # TensorBoard keeps ten texts per tag: repeated findings would displace the first ones.
        if self._report is None or self._report.findings != report.findings:
            self._write(text_event(ALERTS, alerts(report, step)), step)
            self._write(image_event({VERDICT: draw_verdict(report, step)}, {VERDICT: ""}), step)
            self._tab.state(state(report), step)
        self._report = report
        self._scalars(report_scalars(report), step)
        if self._drawn is None or self._drawn[1] != self._causes():
            self._draw(recording, step)
        # The writer buffers events for two minutes: an alert that stops the training must be visible at once.
        self._writer._get_file_writer().flush()

    def started(self, structure: Mapping[str, Any], values: StepBlock) -> None:
        """Write the structure of the run, and the values of its first step, for the plugin's tab."""
        self._tab.started(structure, values.step, values.block)

    def valued(self, values: StepBlock) -> None:
        """Write the values of a recorded step for the plugin's tab."""
        self._tab.valued(values.step, values.block)

    def close(self) -> None:
        """Draw the last step unless it is drawn already, and flush. The writer stays open."""
        if self._recording is not None and self._recording.steps:
            self._draw(self._recording, self._recording.steps[-1].index)
            self._writer._get_file_writer().flush()

    def _start(self, recording: Recording) -> None:
        """Write the layout, once, at the first step."""
        self._recording = recording
        if self._started or not recording.steps:
            return
        from inithealth.tensorboard.events import layout_event
        from inithealth.tensorboard.layout import layout

        self._started = True
        self._write(layout_event(layout()), recording.steps[0].index)

    def _draw(self, recording: Recording, step: int) -> None:
        causes = self._causes()
        if self._drawn == (step, causes) or not recording.steps:
            return
        from inithealth.tensorboard.depth_map import depth_map
        from inithealth.tensorboard.events import image_event
        from inithealth.tensorboard.heatmap import draw

        found = rules_of_causes(self._report) if self._report else {}
        pictures = {tag: draw(depth_map(recording, quantity, found, causes)) for quantity, tag in PICTURES.items()}
        self._write(image_event(pictures, dict.fromkeys(pictures, _PICTURE_TEXT)), step)
        self._drawn = (step, causes)

    def _causes(self) -> frozenset[str]:
        """Return the layers of the causes of the highest severity, without info, so that only a few rows are framed."""
        causes = [cause for cause in self._report.causes if cause.severity > Severity.INFO] if self._report else []
        worst = max((cause.severity for cause in causes), default=None)
        return frozenset(layer for cause in causes if cause.severity is worst for layer in cause.layers)

    def _scalars(self, values: dict[str, float], step: int) -> None:
        from inithealth.tensorboard.events import scalars_event
        from inithealth.tensorboard.scalars import DESCRIPTIONS

        descriptions = {GROUP + name: text for name, text in DESCRIPTIONS.items()}
        self._write(scalars_event({GROUP + name: value for name, value in values.items()}, descriptions), step)

    def _write(self, summary: Summary, step: int) -> None:
        if summary.value:
            self._writer._get_file_writer().add_summary(summary, step)


def _is_round(count: int) -> bool:
    """Return whether it is 1, 2, 5, 10, 20, ...: TensorBoard keeps ten pictures per tag, each drawn in 10 ms."""
    return str(count).rstrip("0") in {"1", "2", "5"}

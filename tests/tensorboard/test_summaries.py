"""The standard set, written by a SummaryWriter and read back as TensorBoard reads it."""

from __future__ import annotations

import io
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from torch.utils.tensorboard import SummaryWriter

from inithealth.findings import Finding, Severity
from inithealth.recording import Recording
from inithealth.tensorboard.profile import PROFILES
from inithealth.tensorboard.scalars import DESCRIPTIONS, GROUP
from inithealth.tensorboard.summaries import ALERTS, PICTURES, Summaries
from tests.tensorboard.recordings import changed, plain, report, signal, weight_scale

STEPS = (*range(10), 20, 50, 100)


def written(folder: Path, recording: Recording, *findings: Finding, report_first: bool = True) -> EventAccumulator:
    """Write a watched run with the recording's steps, with the report at its first step."""
    writer = SummaryWriter(str(folder))
    summaries = Summaries(writer)
    for count, step in enumerate(recording.steps, start=1):
        so_far = recording.model_copy(update={"steps": recording.steps[:count]})
        if count == 1 and report_first:
            summaries.report(so_far, report(*findings), step.index)
        summaries.step(so_far, step)
        if count == 1 and not report_first:
            summaries.report(so_far, report(*findings), step.index)
    summaries.close()
    writer.close()
    return read(folder)


def read(folder: Path) -> EventAccumulator:
    accumulator = EventAccumulator(str(folder), {"scalars": 0, "images": 0, "tensors": 0})
    accumulator.Reload()
    return accumulator


def events(folder: Path) -> Iterator[Any]:
    [file] = folder.iterdir()
    yield from LegacyEventFileLoader(str(file)).Load()


def values(accumulator: EventAccumulator, tag: str) -> dict[int, float]:
    return {event.step: event.value for event in accumulator.Scalars(GROUP + tag)}


def test_at_most_twelve_scalars_per_step_in_one_proto_starting_at_step_zero(tmp_path: Path) -> None:
    recording = changed(plain(12, STEPS), "layers.3", saturated_share=0.5)
    accumulator = written(tmp_path, recording, weight_scale("layers.5"))
    over_steps = {tag for tag in accumulator.Tags()["scalars"] if tag.startswith(GROUP)}
    assert over_steps == {GROUP + tag for tag in DESCRIPTIONS}
    assert len(over_steps) <= 12
    for tag in over_steps:
        assert {event.step for event in accumulator.Scalars(tag)} == set(STEPS)
    protos = [event for event in events(tmp_path) if any("p50" in value.tag for value in event.summary.value)]
    assert [event.step for event in protos] == list(STEPS)
    assert {len(event.summary.value) for event in protos} == {len(DESCRIPTIONS)}


@pytest.mark.parametrize("rms", [math.nan, math.inf, 0.0, None], ids=str)
def test_only_finite_numbers_are_written(tmp_path: Path, rms: float | None) -> None:
    odd = None if rms is None else signal(rms)
    recording = plain(3, (0, 1))
    for name in ("layers.0", "layers.1", "layers.2"):
        recording = changed(recording, name, output=odd, gradient=odd, dead_share=rms)
    accumulator = written(tmp_path, recording)
    for tag in accumulator.Tags()["scalars"]:
        assert all(math.isfinite(event.value) for event in accumulator.Scalars(tag)), tag
    assert not any("log2" in tag for tag in accumulator.Tags()["scalars"])
    assert len(accumulator.Images(PICTURES["forward"])) == 2


def test_counts_are_omitted_before_the_first_verdict(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path)) as writer:
        recording = plain(2, (0,))
        Summaries(writer).step(recording, recording.steps[0])
    tags = read(tmp_path).Tags()["scalars"]
    assert f"{GROUP}non_finite_layers" in tags
    assert f"{GROUP}error_causes" not in tags


def test_the_depth_profile_uses_the_layer_as_its_step_and_leaves_the_band_at_the_fault(tmp_path: Path) -> None:
    accumulator = written(tmp_path, plain(12, STEPS, {6: 2.0**-6}))
    forward, gradient = PROFILES
    assert [(event.step, event.value) for event in accumulator.Scalars(forward.measured)] == [
        (number, -6 if number >= 6 else 0) for number in range(12)
    ]
    assert {event.value for event in accumulator.Scalars(forward.lower)} == {-1}
    assert {event.value for event in accumulator.Scalars(forward.upper)} == {1}
    below = [
        measured.step
        for measured, lower in zip(
            accumulator.Scalars(gradient.measured), accumulator.Scalars(gradient.lower), strict=True
        )
        if measured.value < lower.value
    ]
    assert below == list(range(6))


def test_pictures_are_drawn_at_round_numbers_of_steps_and_at_the_end(tmp_path: Path) -> None:
    accumulator = written(tmp_path, plain(12, STEPS), weight_scale("layers.5"))
    for tag in PICTURES.values():
        images = accumulator.Images(tag)
        assert [image.step for image in images] == [0, 1, 4, 9, 100]
        for image in images:
            picture = Image.open(io.BytesIO(image.encoded_image_string))
            assert picture.size == (image.width, image.height)
            assert picture.width > picture.height


def test_pictures_continue_if_only_the_last_steps_are_kept(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path)) as writer:
        summaries = Summaries(writer)
        for index in range(100):
            recording = plain(3, (0, *range(max(1, index - 3), index + 1)))
            summaries.step(recording, recording.steps[-1])
    images = read(tmp_path).Images(PICTURES["forward"])
    assert [image.step for image in images] == [0, 1, 4, 9, 19, 49, 99]


@pytest.mark.parametrize("report_first", [True, False])
def test_the_last_picture_of_a_step_shows_the_root_cause(tmp_path: Path, report_first: bool) -> None:
    framed = written(tmp_path / "framed", plain(12, (0,)), weight_scale("layers.5"), report_first=report_first)
    bare = written(tmp_path / "bare", plain(12, (0,)))
    pictures = [each.Images(PICTURES["forward"])[-1].encoded_image_string for each in (framed, bare)]
    assert pictures[0] != pictures[1]
    assert len(framed.Images(PICTURES["forward"])) == (1 if report_first else 2)


def test_only_the_worst_causes_are_framed(tmp_path: Path) -> None:
    error, warning = weight_scale("layers.5"), weight_scale("layers.1", severity=Severity.WARNING)
    info = weight_scale("layers.1", severity=Severity.INFO)
    last = {
        name: written(tmp_path / name, plain(12, (0,)), *findings).Images(PICTURES["forward"])[-1].encoded_image_string
        for name, findings in {"error": (error,), "both": (error, warning), "info": (info,), "none": ()}.items()
    }
    assert last["both"] == last["error"]
    assert last["info"] == last["none"]


def test_the_alert_table_is_a_text_summary(tmp_path: Path) -> None:
    accumulator = written(tmp_path, plain(3), weight_scale("layers.1"))
    assert accumulator.SummaryMetadata(ALERTS).plugin_data.plugin_name == "text"
    [event] = accumulator.Tensors(ALERTS)
    assert event.tensor_proto.string_val[0].decode().startswith("**unhealthy, 1 error**")


def test_equal_findings_are_written_once_and_new_ones_again(tmp_path: Path) -> None:
    recording, first, second = plain(3, (0,)), weight_scale("layers.1"), weight_scale("layers.2")
    with SummaryWriter(str(tmp_path)) as writer:
        summaries = Summaries(writer)
        for step, findings in enumerate([(first,), (first,), (first, second)]):
            summaries.report(recording, report(*findings), step)
    assert [event.step for event in read(tmp_path).Tensors(ALERTS)] == [0, 2]


def test_an_alert_and_the_last_picture_are_on_disk_while_the_writer_is_open(tmp_path: Path) -> None:
    recording = plain(3, (0, 1, 2))
    with SummaryWriter(str(tmp_path)) as writer:
        summaries = Summaries(writer)
        summaries.report(recording, report(weight_scale("layers.1")), 0)
        assert ALERTS in read(tmp_path).Tags()["tensors"]
        summaries.step(recording, recording.steps[2])
        summaries.close()
        assert [image.step for image in read(tmp_path).Images(PICTURES["forward"])] == [0, 2]


def test_no_histograms(tmp_path: Path) -> None:
    tags = written(tmp_path, plain(3), weight_scale("layers.1")).Tags()
    assert tags["histograms"] == []
    assert tags["distributions"] == []


def test_a_report_without_steps_is_written_only_as_text(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path)) as writer:
        summaries = Summaries(writer)
        summaries.report(plain(0, ()), report(weight_scale("a")), 0)
        summaries.close()
    tags = read(tmp_path).Tags()
    assert tags["images"] == []
    assert ALERTS in tags["tensors"]


def test_lightnings_logger_can_be_the_writer(tmp_path: Path) -> None:
    from pytorch_lightning.loggers import TensorBoardLogger

    logger = TensorBoardLogger(str(tmp_path), name="run", version=0)
    recording = plain(3, (0,))
    Summaries(logger.experiment).step(recording, recording.steps[0])
    logger.finalize("success")
    assert values(read(Path(logger.log_dir)), "non_finite_layers") == {0: 0}


def test_the_package_imports_neither_torch_nor_pillow_nor_tensorboard() -> None:
    code = (
        "import sys, inithealth.tensorboard.summaries\n"
        "print([name for name in ('torch', 'PIL', 'tensorboard') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert done.stdout.strip() == "[]"

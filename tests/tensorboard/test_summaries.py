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
from inithealth.sessions.run_values import Values
from inithealth.tensorboard.scalars import DESCRIPTIONS, GROUP
from inithealth.tensorboard.summaries import ALERTS, PICTURES, VERDICT, Summaries
from inithealth.tensorboard.tab_tags import FIRST_STEP, PLUGIN, STATE, STRUCTURE
from inithealth.tensorboard.tab_tags import STEPS as STEPS_TAG
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


def test_at_most_eight_scalars_per_step_in_one_proto_starting_at_step_zero(tmp_path: Path) -> None:
    accumulator = written(tmp_path, plain(12, STEPS), weight_scale("layers.5"))
    ours = set(accumulator.Tags()["scalars"])
    assert ours == {GROUP + tag for tag in DESCRIPTIONS}
    assert len(ours) <= 8
    for tag in ours:
        assert {event.step for event in accumulator.Scalars(tag)} == set(STEPS)
    protos = [event for event in events(tmp_path) if any("p50" in value.tag for value in event.summary.value)]
    assert [event.step for event in protos] == list(STEPS)
    assert {len(event.summary.value) for event in protos} == {len(DESCRIPTIONS)}


def test_the_tags_are_sorted_after_those_of_the_user(tmp_path: Path) -> None:
    tags = written(tmp_path, plain(3), weight_scale("layers.1")).Tags()
    shown = [*tags["scalars"], *tags["images"], ALERTS]
    assert min(shown) > max("loss", "train/accuracy", "val/loss", "weights", "z")
    assert sorted(tags["images"])[0] == VERDICT


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
    assert f"{GROUP}forward_log2_rms/p50" in tags
    assert f"{GROUP}error_causes" not in tags


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


def test_the_values_for_the_tab_are_written_with_step_zero_under_its_own_tag(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path)) as writer:
        summaries = Summaries(writer)
        summaries.started({"layers": []}, Values(0, b"\0" * 32))
        summaries.valued(Values(0, b"\0" * 32))
        summaries.report(plain(1, (0,)), report(weight_scale("layers.0")), 0)
    accumulator = read(tmp_path)
    for tag in (STRUCTURE, STATE, FIRST_STEP, STEPS_TAG):
        assert [event.step for event in accumulator.Tensors(tag)] == [0]
        assert accumulator.SummaryMetadata(tag).plugin_data.plugin_name == PLUGIN


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
    assert tags["images"] == [VERDICT]
    assert ALERTS in tags["tensors"]


def test_lightnings_logger_can_be_the_writer(tmp_path: Path) -> None:
    from pytorch_lightning.loggers import TensorBoardLogger

    logger = TensorBoardLogger(str(tmp_path), name="run", version=0)
    recording = plain(3, (0,))
    Summaries(logger.experiment).step(recording, recording.steps[0])
    logger.finalize("success")
    assert values(read(Path(logger.log_dir)), "forward_log2_rms/p50") == {0: 0}


def test_the_package_imports_neither_torch_nor_pillow_nor_tensorboard() -> None:
    code = (
        "import sys, inithealth.tensorboard.summaries\n"
        "print([name for name in ('torch', 'PIL', 'tensorboard') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert done.stdout.strip() == "[]"

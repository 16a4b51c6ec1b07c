"""Runs read from real event files, also broken ones: a sentence, never an exception."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_TENSOR, Summary, SummaryMetadata
from tensorboard.context import RequestContext
from tensorboard.util.tensor_util import make_tensor_proto
from torch import nn
from torch.utils.tensorboard import SummaryWriter

import inithealth
from inithealth.page.document import to_json
from inithealth.page.of_report import run_data
from inithealth.tensorboard.tab_data import TabData
from inithealth.tensorboard.tab_tags import FIRST_STEP, PLUGIN, STATE, STEPS, STRUCTURE


def trained(folder: Path, steps: int = 4) -> inithealth.Report:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with (
        SummaryWriter(str(folder)) as writer,
        inithealth.watch(model, optimizer=optimizer, writer=writer, verbose=False) as monitor,
    ):
        for _ in range(steps):
            optimizer.zero_grad()
            loss = model(torch.randn(8, 16)).square().mean()
            loss.backward()
            monitor.step(loss)
            optimizer.step()
    return monitor.report


def read(folder: Path) -> TabData:
    multiplexer = EventMultiplexer(tensor_size_guidance={PLUGIN: 0}, size_guidance={"tensors": 0})
    multiplexer.AddRunsFromDirectory(str(folder))
    multiplexer.Reload()
    return TabData(MultiplexerDataProvider(multiplexer, str(folder)), RequestContext(), "")


def written(folder: Path, tag: str, content: Any, version: bytes = b'{"version":1}', step: int = 0) -> None:
    plugin = SummaryMetadata.PluginData(plugin_name=PLUGIN, content=version)
    metadata = SummaryMetadata(plugin_data=plugin, data_class=DATA_CLASS_TENSOR)
    value = Summary.Value(tag=tag, tensor=make_tensor_proto(content), metadata=metadata)
    with SummaryWriter(str(folder), filename_suffix=tag.replace("/", "_")) as writer:
        writer._get_file_writer().add_summary(Summary(value=[value]), step)


def test_a_run_is_read_as_the_report_shows_it(tmp_path: Path) -> None:
    report = trained(tmp_path / "one")
    found, wanted = read(tmp_path).run("one"), run_data(report)
    assert found["lacks"] == []
    assert found["steps"] == [0, 1, 2, 3]
    assert {**found, "run": ""} == {**wanted, "run": ""}


def test_the_list_has_the_verdict_and_the_last_step_of_each_run(tmp_path: Path) -> None:
    for name in ("one", "two/nested"):
        trained(tmp_path / name, steps=3)
    with SummaryWriter(str(tmp_path / "other")) as writer:
        writer.add_scalar("loss", 1.0)
    listed = read(tmp_path).runs()
    assert listed["message"] is None
    assert [(each["run"], each["lastStep"], each["healthy"]) for each in listed["runs"]] == [
        ("one", 2, True),
        ("two/nested", 2, True),
    ]


def test_values_from_a_step_on(tmp_path: Path) -> None:
    trained(tmp_path / "one")
    found = read(tmp_path).run("one", 2)
    assert found["steps"] == [2, 3]
    assert len(found["layers"]) == 2
    assert read(tmp_path).run("one", 9)["steps"] == []


def test_without_runs_there_is_a_sentence(tmp_path: Path) -> None:
    listed = read(tmp_path).runs()
    assert listed["runs"] == []
    assert "InitHealth()" in listed["message"]
    assert "no run of this name" in read(tmp_path).run("one")["message"]


STRUCTURED = json.dumps({"model": "Net", "layers": [{"name": "a"}, {"name": "b"}]})


@pytest.mark.parametrize(
    ("break_it", "expected"),
    [
        (lambda at: written(at, STRUCTURE, "{"), "list of layers"),
        (lambda at: written(at, STRUCTURE, "[1]"), "list of layers"),
        (lambda at: written(at, STRUCTURE, json.dumps({"layers": 3})), "list of layers"),
        (lambda at: written(at, STRUCTURE, np.zeros((2, 3), "f4")), "list of layers"),
        (lambda at: written(at, STRUCTURE, "[" * 100_000), "list of layers"),
        (lambda at: written(at, STEPS, np.zeros((8, 2), "f4")), "list of layers"),
        (lambda at: written(at, STRUCTURE, STRUCTURED, b'{"version":2}'), "newer version"),
    ],
    ids=["truncated", "not an object", "no list", "numbers", "nested", "alone", "newer"],
)
def test_a_run_that_cannot_be_read_is_a_sentence(
    tmp_path: Path, break_it: Callable[[Path], None], expected: str
) -> None:
    break_it(tmp_path / "one")
    assert expected in read(tmp_path).run("one")["message"]
    to_json(read(tmp_path).runs())


@pytest.mark.parametrize("row", [np.zeros((8, 3), "f4"), "text", np.zeros(0, "f4")], ids=["size", "text", "empty"])
def test_a_step_that_cannot_be_read_is_left_out(tmp_path: Path, row: Any) -> None:
    written(tmp_path / "one", STRUCTURE, STRUCTURED, b"no json")
    written(tmp_path / "one", FIRST_STEP, np.zeros((8, 2), "f4"))
    written(tmp_path / "one", STEPS, row, step=1)
    found = read(tmp_path).run("one")
    assert found["steps"] == [0]
    assert found["lacks"] == [
        "1 of 2 recorded steps cannot be read and are left out.",
        "The findings of this run cannot be read.",
    ]


def test_an_invalid_state_has_the_defaults(tmp_path: Path) -> None:
    written(tmp_path / "one", STRUCTURE, STRUCTURED)
    written(tmp_path / "one", STATE, json.dumps({"lastStep": "x", "thinned": 3}))
    found = read(tmp_path).run("one")
    assert (found["lastStep"], found["thinned"], found["healthy"]) == (0, None, None)


def test_tags_of_others_in_our_plugin_are_ignored(tmp_path: Path) -> None:
    written(tmp_path / "one", "init_health/from_the_future", "x")
    assert read(tmp_path).runs()["runs"] == []

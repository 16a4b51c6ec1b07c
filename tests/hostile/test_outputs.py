"""Names, paths and texts of errors in the output: no terminal, CI runner or service interprets them."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import torch
from torch import nn

import inithealth
from inithealth import Report, UnhealthyInit
from inithealth.console.log import Log
from inithealth.page.document import STRUCTURE as STRUCTURE_FIELDS
from inithealth.page.document import document
from inithealth.page.of_report import first_step
from inithealth.report.compare.changes import changes
from inithealth.report.compare.changes_text import changes_json, changes_table
from inithealth.report.formats import FORMATS, rendered
from inithealth.tensorboard.alert_table import alerts
from inithealth.tensorboard.depth_map import depth_map
from inithealth.tensorboard.events import text_event
from inithealth.tensorboard.heatmap import draw
from inithealth.tensorboard.tab_data import TabData
from inithealth.tensorboard.tab_tags import STATE, STRUCTURE
from inithealth.tensorboard.verdict_picture import draw_verdict
from tests.cli.conftest import Run, folder, run  # noqa: F401
from tests.report.hostile import finding

COMMAND = re.compile(r"(?m)^[^\S\n]*::|##\w*\[")
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
NAMES = {
    "a command": "::error file=a::pwned",
    "a command after a line break": "a\n::set-env name=PATH::/tmp",
    "a command where a line is wrapped": "a " + "b" * 70 + " ::stop-commands::pwn ",
    "a command in brackets": "##[add-mask]ok",
    "a command of Azure": "x##vso[task.setvariable]y",
    "a command of TeamCity": "##teamcity[buildStop]",
    "a carriage return": "a\r::error::x",
    "an escape sequence": "\x1b[2J\x1b]0;title\x07",
    "an 8-bit escape sequence": "\x9b2J",
    "the other direction": "a\u202etxt.exe\u2066",
    "a separator of lines": "a\u2028::error::x\x85::error::y",
    "half a surrogate pair": "a\ud800",
    "a null byte": "a\0b",
    "the end of a section": "]]></system-out>",
}
SURROUNDED = [f"{name} and more" for name in NAMES.values()]


def hostile(name: str) -> Report:
    """Return a report with the name wherever a program, or the author of a file, can put it."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
    nn.init.zeros_(model[0].weight)
    checked = inithealth.check(model, torch.randn(32, 8))
    layers = [
        layer.model_copy(update={"name": name, "module": name, "type_name": name, "source": f"{name}:1"})
        for layer in checked.layers[:1]
    ]
    measurements = [m.model_copy(update={"layer": name}) for m in checked.measurements[:1]]
    cause = finding(
        layers=(name,), message=f"{name}: all zero", cause=name, fix=f"init({name})\n{name}", source=f"{name}:3"
    )
    return checked.model_copy(
        update={
            "model": name,
            "layers": (*layers, *checked.layers[1:]),
            "measurements": (*measurements, *checked.measurements[1:]),
            "findings": (cause, finding(rule=name, layers=(name, "b"), suppressed=name), *checked.findings),
            "notes": (name,),
            "not_measured": (name,),
            "versions": {name: name},
        }
    )


@pytest.fixture(scope="module", params=NAMES)
def report(request: pytest.FixtureRequest) -> Report:
    return hostile(NAMES[request.param])


def is_inert(text: str) -> bool:
    return not COMMAND.search(text) and not CONTROL.search(text)


@pytest.mark.parametrize("name", [each for each in FORMATS if each != "github"])
def test_no_line_of_a_format_is_a_command(report: Report, name: str) -> None:
    assert is_inert(rendered(report, name))


def test_the_annotations_are_our_own_commands_alone(report: Report) -> None:
    lines = rendered(report, "github").splitlines()
    assert all(re.match(r"::(error|warning|notice) [^\r\n]*?::", line) for line in lines)
    assert is_inert("".join(f"x{line}\n" for line in lines))
    assert len(lines) == len(report.causes)


def test_other_texts_are_inert(report: Report) -> None:
    assert is_inert(report.table(full=True))
    assert is_inert(report.summary())
    assert is_inert(repr(report))
    assert is_inert(str(UnhealthyInit(report)))
    assert is_inert(changes_table(changes(report, Report(model="Net"))))
    assert is_inert(changes_json(changes(report, Report(model="Net"))))
    assert not CONTROL.search(alerts(report, 0))


def test_the_structured_formats_can_be_read(report: Report) -> None:
    assert [case.tag for case in ET.fromstring(rendered(report, "junit"))] == ["testsuite"]
    assert json.loads(rendered(report, "gitlab"))
    assert json.loads(rendered(report, "sarif"))
    again = Report.from_json(report.to_json())
    assert again.model.encode() == report.model.encode("utf-8", "backslashreplace")


def test_pictures_and_events_are_drawn(report: Report) -> None:
    assert draw_verdict(report, 0).startswith(b"\x89PNG")
    assert draw(depth_map(first_step(report), "forward", {})).startswith(b"\x89PNG")
    assert text_event("alerts", alerts(report, 0)).value
    assert report._repr_html_()


def test_a_running_training_logs_no_command(report: Report, capsys: pytest.CaptureFixture[str]) -> None:
    handlers = logging.getLogger().handlers[:]
    logging.getLogger().handlers.clear()  # pytest's own
    try:
        Log().line(logging.WARNING, report.model)
        Log().report(logging.ERROR, report)
        try:
            raise ValueError(report.model)
        except ValueError:
            Log().warning("could not be measured", exc_info=True)
    finally:
        logging.getLogger().handlers[:] = handlers
    shown = capsys.readouterr().err
    assert "could not be measured" in shown
    assert is_inert(shown)


def test_names_of_layers_are_inert_in_a_check() -> None:
    model = nn.Sequential()
    model.add_module("a " + "b" * 70 + " ::stop-commands::pwn ", nn.Linear(8, 16))
    model.add_module("##[add-mask]ok", nn.Linear(16, 4))
    for layer in model:
        nn.init.zeros_(layer.weight)
    checked = inithealth.check(model, torch.randn(32, 8))
    assert not checked.ok
    assert all(is_inert(rendered(checked, name)) for name in FORMATS if name != "github")


@pytest.mark.parametrize(
    "source",
    [
        "/etc/passwd:1",
        "../../secret.py:1",
        "a/../../b.py:2",
        "C:\\a.py:1",
        "..\\a.py:1",
        "file:///a.py:1",
        "\\\\h\\a.py:1",
    ],
)
def test_locations_stay_in_the_repository(source: str) -> None:
    outside = Report(model="Net", findings=(finding(source=source),))
    [run_] = json.loads(rendered(outside, "sarif"))["runs"]
    [place] = [each["physicalLocation"]["artifactLocation"] for each in run_["results"][0]["locations"]]
    assert place == {"uri": "pyproject.toml", "uriBaseId": "%SRCROOT%"}
    assert json.loads(rendered(outside, "gitlab"))[0]["location"]["path"] == "."
    assert "file=" not in rendered(outside, "github")


def test_no_name_is_a_link_in_sarif() -> None:
    linked = Report(model="Net", findings=(finding(message="[click](https://example.org): all zero"),))
    [run_] = json.loads(rendered(linked, "sarif"))["runs"]
    assert "[click] (https://example.org)" in run_["results"][0]["message"]["text"]


RAISING = """
from torch import nn

def build():
    raise ValueError({text!r})

def exits():
    raise SystemExit({text!r})
"""


@pytest.mark.parametrize("function", ["build", "exits"])
@pytest.mark.parametrize("kind", NAMES)
def test_the_text_of_an_error_is_inert(kind: str, function: str, run: Run, folder: Path) -> None:  # noqa: F811
    (folder / "theirs.py").write_text(RAISING.format(text=NAMES[kind]))
    done = run("check", f"theirs.py:{function}")
    sys.modules.pop("theirs", None)
    assert done.status == 2
    assert is_inert(done.out)
    assert is_inert(done.err)
    assert done.error


@pytest.mark.parametrize(
    "words",
    [
        ["check", "x", "\n::error::y"],
        ["report", "\n::error::y"],
        ["check", "a\x1b[2J.py"],
        ["check", "mine.nets:healthy", "--output-format", "\n##[group]"],
        ["check", "mine.nets:healthy", "--loss", "\u202e"],
        ["explain", "\r::error::x"],
        ["check", "mine.nets:healthy", "--config", "no\n::error::.toml"],
    ],
)
def test_arguments_are_repeated_inert(words: list[str], run: Run) -> None:  # noqa: F811
    done = run(*words)
    assert done.status == 2
    assert "inithealth" in done.err
    assert is_inert(done.err)


def test_names_in_files_are_inert(run: Run, folder: Path) -> None:  # noqa: F811
    (folder / "bad.json").write_text('{"model": "Net", "\\u001b[31m\\n::error::": 1}')
    (folder / "bad.toml").write_text('"\\n::error::" = 1\n')
    for words in (["report", "bad.json"], ["check", "mine.nets:healthy", "--config", "bad.toml"]):
        done = run(*words)
        assert done.status == 2
        assert is_inert(done.err)


def command(*words: str, **streams: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "inithealth", *words], **streams)


@pytest.fixture
def saved(tmp_path: Path) -> tuple[str, str]:
    """Return the names of two reports, of a healthy and of an unhealthy model."""
    (tmp_path / "good.json").write_text(Report(model="Net").to_json())
    many = tuple(finding(layers=(f"layer{number}",)) for number in range(3000))
    (tmp_path / "bad.json").write_text(Report(model="Net", findings=many).to_json())
    return str(tmp_path / "good.json"), str(tmp_path / "bad.json")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize(
    "words", [["rules"], ["explain", "IH103"], ["report", ""], ["diff", "", ""], ["--help"], ["--version"]]
)
def test_a_full_disk_is_status_2_with_a_sentence(words: list[str], saved: tuple[str, str]) -> None:
    with open("/dev/full", "wb") as full:
        done = command(*(word or saved[0] for word in words), stdout=full, stderr=subprocess.PIPE)
        error = done.communicate()[1]
    assert done.returncode == 2
    assert error.decode().splitlines() == ["inithealth: error: the output cannot be written: No space left on device"]


@pytest.mark.slow
@pytest.mark.parametrize(("place", "status"), [(0, 0), (1, 1)])
@pytest.mark.parametrize("name", ["table", "json"])
def test_a_closed_pipe_keeps_the_status(place: int, status: int, name: str, saved: tuple[str, str]) -> None:
    done = command("report", saved[place], "--output-format", name, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.stdout is not None
    assert done.stderr is not None
    done.stdout.close()
    error = done.stderr.read()
    done.stderr.close()
    assert (done.wait(), error) == (status, b"")


PRINTING = """
import torch
from torch import nn

def build():
    for number in range(2000):
        print("a line of output", number, flush=True)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4)), torch.randn(32, 8)
"""


@pytest.mark.slow
@pytest.mark.parametrize("place", ["closed pipe", "/dev/full"])
def test_a_model_whose_output_cannot_be_shown_is_judged(place: str, tmp_path: Path) -> None:
    (tmp_path / "prints.py").write_text(PRINTING)
    words = ["check", "prints.py:build", "--output-format", "concise"]
    with open(os.devnull if place == "closed pipe" else place, "wb") as full:
        stderr = subprocess.PIPE if place == "closed pipe" else full
        done = command(*words, stdout=subprocess.PIPE, stderr=stderr, cwd=tmp_path)
        if done.stderr is not None:
            done.stderr.close()
        assert done.stdout is not None
        shown = done.stdout.read()
        done.stdout.close()
    assert done.wait() == 0
    assert b"inithealth: healthy" in shown


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_an_error_that_cannot_be_shown_keeps_its_status(tmp_path: Path) -> None:
    with open("/dev/full", "wb") as full:
        assert command("report", str(tmp_path / "missing.json"), stdout=full, stderr=full).wait() == 2


@pytest.mark.parametrize(
    ("structure", "state"),
    [
        ({"model": [1], "trunk": 3, "layers": []}, {"findings": "x", "errors": None, "healthy": "yes"}),
        ({"layers": [{"name": "a"}], "versions": []}, {"notes": {}, "lastStep": 10**400}),
        ({"layers": [1, 2]}, {}),
        ({"layers": [{"name": 3}]}, {}),
    ],
)
def test_fields_of_another_type_in_event_files_do_not_reach_the_page(structure: Any, state: Any) -> None:
    def event(content: Any) -> SimpleNamespace:
        return SimpleNamespace(wall_time=0.0, step=0, numpy=np.array(json.dumps(content).encode(), dtype=object))

    tensors = {"run": {STRUCTURE: [event(structure)], STATE: [event(state)]}}
    series = SimpleNamespace(plugin_content=b"{}", max_step=0)
    provider = SimpleNamespace(
        list_tensors=lambda *_, **__: {"run": dict.fromkeys(tensors["run"], series)},
        read_tensors=lambda *_, **__: tensors,
    )
    found = TabData(provider, None, "").run("run")
    if "message" not in found:
        expected = document({}, {}, [], [])
        assert all(type(found[name]) is type(expected[name]) for name in (*STRUCTURE_FIELDS, "errors", "findings"))
        assert found["lastStep"] == 0
    else:
        assert found["message"] == "This run has no list of layers yet, or it cannot be read."

"""The document of a report, also of one written by an older version."""

from __future__ import annotations

import json
from base64 import b64decode

import numpy as np
import pytest
import torch
from hypothesis import given
from torch import nn

import inithealth
from inithealth import Report
from inithealth.page.document import to_json
from inithealth.page.of_report import run_data
from inithealth.page.step_values import STATISTICS, columns, packed
from inithealth.recorded_run import Flow, StepValues
from tests.report.hostile import REPORTS
from tests.report.reports import cause, report
from tests.rules.recordings import measured, stack


def history(steps: int, layers: int) -> StepValues:
    rows = [packed({name: [float(step)] * layers for name in STATISTICS}) for step in range(steps)]
    return StepValues(steps=tuple(range(steps)), values=columns(rows), thinned="some")


def test_a_check_has_one_step() -> None:
    model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4))
    made = run_data(inithealth.check(model, torch.randn(8, 16)))
    assert (made["steps"], made["lacks"], made["model"], made["exact"]) == ([0], [], "Sequential", True)
    assert [each["name"] for each in made["layers"]] == ["0", "2"]
    assert len(json.loads(to_json(made))["expected"]["gain"]) == 2


def test_a_watched_run_has_its_history() -> None:
    made = run_data(report(flow=Flow(), history=history(7, 5), step=30))
    assert (made["steps"], made["thinned"], made["lastStep"]) == (list(range(7)), "some", 30)
    assert made["values"] == history(7, 5).values


def test_a_small_page_has_fewer_steps_and_says_so() -> None:
    made = run_data(report(flow=Flow(), history=history(100, 5)), most_steps=10)
    assert (len(made["steps"]), made["steps"][0], made["steps"][-1]) == (10, 0, 99)
    assert made["thinned"] == "10 of 100 recorded steps are shown, to keep the page small"


def test_an_older_report_says_what_it_lacks() -> None:
    older = json.loads(report(cause("fc1")).to_json())
    for name in ("flow", "history", "lifetimes"):
        del older[name]
    made = run_data(Report.from_json(json.dumps(older)))
    assert "older version" in made["lacks"][0]
    assert (made["steps"], len(made["layers"])) == ([0], 5)
    assert np.frombuffer(b64decode(made["values"]["forward"]), "<f4").tolist() == [1.0] * 5


@pytest.mark.parametrize("values", [{}, history(7, 4).values])
def test_a_history_of_another_network_is_left_out(values: dict[str, str]) -> None:
    made = run_data(report(flow=Flow(), history=StepValues(steps=tuple(range(7)), values=values)))
    assert "cannot be read" in made["lacks"][0]
    assert made["steps"] == [0]


def test_a_check_with_fixes_has_the_first_step_with_them() -> None:
    layers = stack()
    plain = report(cause("fc1"), layers=layers)
    assert run_data(plain)["fixed"] is None
    made = run_data(report(cause("fc1"), layers=layers, fixed_measurements=measured(layers)))
    assert json.loads(to_json(made))["fixed"]["values"] == made["values"]
    assert {**made, "fixed": None} == run_data(plain)


@given(REPORTS)
def test_any_report_has_a_document(of: Report) -> None:
    made = run_data(of)
    json.loads(to_json(made))
    assert "no measurements" in " ".join(made["lacks"])

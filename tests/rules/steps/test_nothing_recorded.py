"""IH409: a report without measurements is not healthy."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch

import inithealth
from inithealth import Severity
from inithealth.judge.diagnose import folded
from inithealth.recording import Layer, Step
from inithealth.rules.steps.nothing_recorded import NothingRecorded
from inithealth.rules.steps.unchanged_parameters import UnchangedParameters
from tests.rules.folding import found_by
from tests.rules.nets import codes, finding, judged, mlp
from tests.rules.recordings import judge, measured, recording, stack


def test_a_model_that_was_not_called_is_a_warning() -> None:
    model = mlp()
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    with inithealth.watch(model) as monitor:
        monitor.step(1.0)
    found = finding(monitor.report, "IH409")
    assert found.severity == Severity.WARNING
    assert "before monitor.step(loss)" in found.fix


def test_a_measured_model_has_no_finding() -> None:
    assert "IH409" not in codes(judged(mlp()))
    assert judge(NothingRecorded, recording()) == []


def test_measurements_of_unknown_layers_do_not_count() -> None:
    (found,) = judge(NothingRecorded, recording(stack(3), steps=(Step(index=0),)))
    assert found.layers == ("fc0",)
    assert (found.measured, found.limit) == (0.0, 3.0)
    assert re.findall(r"\d+", found.message) == ["3"]


TABLES = stack(2, fc0={"kind": "scale"}, head={"kind": "other"})


@pytest.mark.parametrize(("layers", "severity"), [(TABLES, Severity.INFO), ((), Severity.WARNING)])
def test_it_is_info_if_there_is_no_layer_to_measure(layers: tuple[Layer, ...], severity: Severity) -> None:
    (found,) = judge(NothingRecorded, recording(layers, steps=()))
    assert (found.severity, found.layers, found.limit) == (severity, (), 0.0)
    assert re.findall(r"\d+", found.message) == []


def test_the_first_unmeasured_item_is_the_reason() -> None:
    (found,) = judge(NothingRecorded, recording(steps=(), not_measured=("outputs: compiled", "something else")))
    assert found.cause == "outputs: compiled"
    (found,) = judge(NothingRecorded, recording(steps=()))
    assert found.cause not in ("", "outputs: compiled")


@pytest.mark.parametrize("missing", ["output", "gradient"])
@pytest.mark.parametrize("of", [("fc0",), ("fc0", "fc1")])
def test_one_output_or_gradient_is_sufficient(missing: str, of: tuple[str, ...]) -> None:
    nothing: dict[str, Any] = {name: {"output": None, "gradient": None} for name in ("fc0", "fc1", "head")}
    layers = stack(3)
    assert len(judge(NothingRecorded, recording(layers, measured(layers, **nothing)))) == 1
    some = {name: {missing: None} if name in of else nothing[name] for name in nothing}
    assert judge(NothingRecorded, recording(layers, measured(layers, **some))) == []


def test_an_unread_graph_is_reported_with_the_reason() -> None:
    (found,) = judge(NothingRecorded, recording(stack(3), graph=False, not_measured=("autograd graph: odd",)))
    assert "fc0, fc1, head" in found.message
    assert (found.layers, found.severity) == (("fc0",), Severity.WARNING)
    assert found.cause == "autograd graph: odd"


def test_missing_measurements_precede_findings_of_the_steps() -> None:
    (nothing,) = judge(NothingRecorded, recording(steps=()))
    unchanged = found_by(UnchangedParameters)
    both = folded([(UnchangedParameters(), unchanged), (NothingRecorded(), nothing)])
    assert [each.code for each in both] == ["IH409", "IH408"]

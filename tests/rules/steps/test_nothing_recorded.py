"""IH409: a report without measurements is not healthy."""

from __future__ import annotations

import torch

import inithealth
from inithealth import Severity
from inithealth.recording import Step
from inithealth.rules.steps.nothing_recorded import NothingRecorded
from tests.rules.nets import codes, finding, judged, mlp
from tests.rules.recordings import judge, recording, stack


def test_a_model_that_was_not_called_is_a_warning() -> None:
    model = mlp()
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    with inithealth.watch(model) as monitor:
        monitor.step(1.0)
    found = finding(monitor.report, "IH409")
    assert found.severity == Severity.WARNING
    assert "before monitor.step(loss)" in found.fix


def test_a_measured_model_is_silent() -> None:
    assert "IH409" not in codes(judged(mlp()))
    assert judge(NothingRecorded, recording()) == []


def test_numbers_of_no_layer_are_none() -> None:
    (found,) = judge(NothingRecorded, recording(stack(3), steps=(Step(index=0),)))
    assert found.layers == ("fc0",)
    assert found.measured == 0.0


def test_a_graph_that_was_not_read_is_reported_with_the_reason() -> None:
    (found,) = judge(NothingRecorded, recording(stack(3), graph=False, not_measured=("autograd graph: odd",)))
    assert "the connections of fc0, fc1, head are not known" in found.message
    assert found.cause == "autograd graph: odd"

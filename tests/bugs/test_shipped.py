"""Sixteen bugs that shipped: each is named, and nothing is said of the network as it was mended."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from inithealth import Finding, Report, Severity

from . import encoders
from .bug import Bug, Scene, alarms, typed
from .shipped import BUGS

ALARMING = tuple(bug for bug in BUGS if bug.severity > Severity.INFO)
NAME = pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)


def blamed(bug: Bug, report: Report) -> Finding:
    """The one cause: alone at its severity or worse, and of the right code."""
    causes = [cause for cause in report.causes if cause.severity >= bug.severity]
    assert [cause.code for cause in causes if cause.code in bug.codes] == [cause.code for cause in causes], str(report)
    assert len(causes) == 1, str(report)
    return causes[0]


@NAME
def test_the_bug_is_named(bug: Bug) -> None:
    scene = bug.build(False)
    found = blamed(bug, scene.checked())
    assert found.severity == bug.severity
    assert set(found.layers) == bug.layers(scene.model)
    assert found.cause
    assert found.fix


@NAME
def test_the_mended_network_raises_no_alarm(bug: Bug) -> None:
    report = bug.build(True).checked()
    assert not alarms(report), str(report)
    assert not [cause for cause in report.causes if cause.code in bug.codes], str(report)
    assert report.measurements
    assert not report.not_measured


@pytest.mark.parametrize("bug", [bug for bug in BUGS if bug.typed], ids=lambda bug: bug.name)
def test_typing_the_fix_mends_it(bug: Bug) -> None:
    scene = bug.build(False)
    typed(blamed(bug, scene.checked()), scene.model)
    report = scene.checked()
    assert not alarms(report), str(report)
    assert not [cause for cause in report.causes if cause.code in bug.codes], str(report)


@pytest.mark.parametrize("bug", [bug for bug in BUGS if bug.watched], ids=lambda bug: bug.name)
def test_a_watched_training_names_it_too(bug: Bug) -> None:
    scene = bug.build(False)
    found = blamed(bug, scene.watched())
    assert found.severity == bug.severity
    assert set(found.layers) == bug.layers(scene.model)


@pytest.mark.parametrize("bug", [bug for bug in BUGS if bug.watched], ids=lambda bug: bug.name)
def test_a_watched_training_of_the_mended_network_raises_no_alarm(bug: Bug) -> None:
    report = bug.build(True).watched()
    assert not alarms(report), str(report)


def packed(scene: Scene) -> nn.MultiheadAttention:
    return next(each for each in scene.model.modules() if isinstance(each, nn.MultiheadAttention))


@pytest.mark.parametrize("check", [Scene.checked, Scene.watched], ids=["check", "watch"])
def test_a_packed_projection_drawn_as_one_matrix_is_no_fault(check: Callable[[Scene], Report]) -> None:
    """pytorch/pytorch#166378: smaller by the square root of two, which every published model has trained with."""
    shipped, mended = encoders.packed_projection(False), encoders.packed_projection(True)
    stds = [float(packed(each).in_proj_weight.detach().std()) for each in (shipped, mended)]
    assert stds[1] / stds[0] == pytest.approx(2**0.5, rel=0.03)
    for scene in (shipped, mended):
        assert not alarms(check(scene))


def test_a_packed_projection_is_told_as_what_it_is() -> None:
    """Its row of the table tells the scheme, and the std that each of the three would have had."""
    report = encoders.packed_projection(False).checked()
    layer = next(layer for layer in report.layers if layer.name == "encoder.layers.0.self_attn")
    assert layer.packed == 3
    assert layer.scheme is not None
    assert "Xavier" in layer.scheme.text
    assert layer.weight is not None
    assert layer.weight.fan_out == 64
    assert layer.wants == pytest.approx(layer.weight.std * 2**0.5, rel=0.03)


def test_the_gradient_that_a_second_softmax_leaves_is_a_thousandth() -> None:
    """What the message says of it, measured."""
    bug = next(bug for bug in BUGS if bug.name == "softmax_twice")
    norms = []
    for mended in (False, True):
        scene = bug.build(mended)
        scene.loss(scene.model(scene.batch)).backward()
        gradients = [p.grad.flatten() for p in scene.model.parameters() if p.grad is not None]
        norms.append(torch.cat(gradients).norm())
    assert norms[0] / norms[1] < 2e-3

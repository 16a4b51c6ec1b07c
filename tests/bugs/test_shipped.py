"""Published bugs: each is found with its layers, and the fixed network raises no alarm."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from inithealth import Finding, Report

from . import encoders, pictures
from .bug import Bug, Scene, alarms, typed
from .shipped import BUGS

NAME = pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
WATCHED = pytest.mark.parametrize("bug", [bug for bug in BUGS if bug.watched], ids=lambda bug: bug.name)
CHECKS = pytest.mark.parametrize("check", [Scene.checked, Scene.watched], ids=["check", "watch"])


def found(bug: Bug, report: Report) -> Finding:
    """Return the only cause at its severity or above, and check its code."""
    causes = [cause for cause in report.causes if cause.severity >= bug.severity]
    assert [cause.code for cause in causes if cause.code in bug.codes] == [cause.code for cause in causes], str(report)
    assert len(causes) == 1, str(report)
    return causes[0]


def assert_silent(bug: Bug, report: Report) -> None:
    assert not alarms(report), str(report)
    assert not [cause for cause in report.causes if cause.code in bug.codes], str(report)
    assert report.measurements


@NAME
@pytest.mark.parametrize("seed", range(2))
def test_the_bug_is_found_with_its_layers(bug: Bug, seed: int) -> None:
    scene = bug.built(False, seed)
    cause = found(bug, scene.checked())
    assert cause.severity == bug.severity
    assert set(cause.layers) == bug.layers(scene.model)
    assert cause.cause
    assert cause.fix


@NAME
@pytest.mark.parametrize("seed", range(3))
def test_the_fixed_network_raises_no_alarm(bug: Bug, seed: int) -> None:
    report = bug.built(True, seed).checked()
    assert_silent(bug, report)
    assert not report.not_measured


@pytest.mark.parametrize("bug", [bug for bug in BUGS if bug.typed], ids=lambda bug: bug.name)
def test_running_the_fix_repairs_the_network(bug: Bug) -> None:
    scene = bug.built(False)
    typed(found(bug, scene.checked()), scene.model)
    assert_silent(bug, scene.checked())


@WATCHED
def test_watching_the_training_finds_it_too(bug: Bug) -> None:
    scene = bug.built(False)
    cause = found(bug, scene.watched())
    assert cause.severity == bug.severity
    assert set(cause.layers) == bug.layers(scene.model)


@WATCHED
def test_watching_the_fixed_network_raises_no_alarm(bug: Bug) -> None:
    report = bug.built(True).watched()
    assert not alarms(report), str(report)


def packed(scene: Scene) -> nn.MultiheadAttention:
    return next(each for each in scene.model.modules() if isinstance(each, nn.MultiheadAttention))


@CHECKS
def test_a_packed_projection_initialized_as_one_matrix_is_healthy(check: Callable[[Scene], Report]) -> None:
    """pytorch/pytorch#166378: smaller by sqrt(2), as in every published model."""
    torch.manual_seed(0)
    shipped, fixed = encoders.packed_projection(False), encoders.packed_projection(True)
    stds = [float(packed(each).in_proj_weight.detach().std()) for each in (shipped, fixed)]
    assert stds[1] / stds[0] == pytest.approx(2**0.5, rel=0.03)
    for scene in (shipped, fixed):
        assert not alarms(check(scene))


def test_the_scheme_of_a_packed_projection_is_reported() -> None:
    """Its row of the table has the scheme, and the std for each of the three projections."""
    torch.manual_seed(0)
    report = encoders.packed_projection(False).checked()
    assert [layer.packed for layer in report.layers if layer.module.endswith("self_attn")] == [3, 3, 3, 3]
    layer = next(layer for layer in report.layers if layer.name == "encoder.layers.0.self_attn")
    assert layer.scheme is not None
    assert "Xavier" in layer.scheme.text
    assert layer.weight is not None
    assert layer.weight.fan_out == 64
    assert layer.wants == pytest.approx(layer.weight.std * 2**0.5, rel=0.03)


@CHECKS
@pytest.mark.parametrize("prior", [True, False])
def test_a_mean_over_rare_positives_is_healthy(prior: bool, check: Callable[[Scene], Report]) -> None:
    """Without a prior the loss is 50 times that of the base rate, too, but it is ln 2, with small gradients."""
    torch.manual_seed(0)
    report = check(pictures.mean_over_rare_positives(prior))
    assert not alarms(report), str(report)


def test_a_second_softmax_reduces_the_gradient_a_thousandfold() -> None:
    """Measures the factor in the message."""
    bug = next(bug for bug in BUGS if bug.name == "softmax_twice")
    norms = []
    for fixed in (False, True):
        scene = bug.built(fixed)
        scene.loss(scene.model(scene.batch)).backward()
        gradients = [p.grad.flatten() for p in scene.model.parameters() if p.grad is not None]
        norms.append(torch.cat(gradients).norm())
    assert norms[0] / norms[1] < 2e-3

"""IH406: a loss that does not fall, and the layer without gradient."""

from __future__ import annotations

from functools import partial

from torch import nn
from torch.optim import SGD

from inithealth import Severity
from inithealth.recording import Probation, Recording
from inithealth.rules.steps.loss_not_moving import LossNotMoving
from tests.rules.nets import codes, finding, mlp
from tests.rules.recordings import judge, stack
from tests.rules.runs import several, trained


def vanishing() -> nn.Module:
    model = mlp(8)
    for layer in model[:-1:2]:
        nn.init.normal_(layer.weight, std=0.01)
    return model


def test_a_loss_that_does_not_fall_is_a_consequence_of_vanishing_gradients() -> None:
    report = trained(vanishing(), 60, optimizer=partial(SGD, lr=1e-3))
    found = finding(report, "IH406")
    assert found.role == "consequence"
    assert found.message.startswith("the loss has not fallen in 59 steps: it started at 2.3")
    assert next(cause.code for cause in report.causes if cause.severity == Severity.ERROR) in ("IH201", "IH106")


def test_a_slow_task_alone_is_not_a_finding() -> None:
    assert "IH406" not in codes(trained(mlp(), 60, optimizer=partial(SGD, lr=1e-7)))


def still(moved: float = 0.0, passing: float = 1e-6, apart: int = 10) -> Recording:
    losses = [2.3] * 7 + [2.3 * (1 - moved)]
    gradients = {"gradients": {"fc0": passing / 2, "fc1": passing}}
    return several(gradients, steps=8, losses=losses, apart=apart)


def test_levels() -> None:
    (found,) = judge(LossNotMoving, still())
    assert (found.severity, found.layers, found.step) == (Severity.ERROR, ("fc0",), 70)
    assert judge(LossNotMoving, still(moved=0.05)) == []
    assert judge(LossNotMoving, still(passing=0.1)) == []
    assert judge(LossNotMoving, still(apart=5)) == []


def test_a_layer_without_gradient_is_named() -> None:
    asleep = Probation(steps=4, settled=True, asleep=("fc1.weight",))
    (found,) = judge(LossNotMoving, several(layers=stack(), steps=8, apart=10, probation=asleep))
    assert found.layers == ("fc1",)


def test_options_change_the_limits() -> None:
    assert judge(LossNotMoving, still(), min_steps=100) == []
    assert len(judge(LossNotMoving, still(moved=0.05), min_moved=0.1)) == 1
    assert judge(LossNotMoving, still(), max_passing=1e-8) == []

"""IH408: weights that no step changes, and parameters in no optimizer."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.optim import SGD

import inithealth
from inithealth import Severity
from inithealth.recording import Recording
from inithealth.rules.steps.unchanged_parameters import UnchangedParameters
from tests.rules.nets import codes, cross_entropy, finding, mlp, vectors
from tests.rules.recordings import judge, stack
from tests.rules.runs import EVERY, several, trained, update


def test_a_layer_that_is_not_in_the_optimizer_is_found() -> None:
    model = mlp()
    held = [parameter for name, parameter in model.named_parameters() if not name.startswith("2.")]
    report = trained(model, 2, optimizer=lambda parameters: SGD(held, lr=0.01))
    found = finding(report, "IH408")
    assert (found.severity, found.layers) == (Severity.WARNING, ("2",))
    assert found.message == "layer 2: trainable, but in no optimizer"


def test_a_layer_that_is_reset_after_each_step_is_found() -> None:
    model = mlp()
    before = model[4].weight.detach().clone()

    def put_back(step: int, of: nn.Module) -> None:
        of[4].weight.copy_(before)

    found = finding(trained(model, between=put_back), "IH408")
    assert found.layers == ("4",)
    assert found.message == "layer 4: unchanged by 8 steps or more"


def test_a_run_in_which_all_weights_change_is_healthy() -> None:
    assert trained(mlp()).causes == ()


def test_frozen_layers_and_a_zero_learning_rate_are_intentional() -> None:
    model = mlp()
    model[2].requires_grad_(False)
    assert "IH408" not in codes(trained(model))
    assert "IH408" not in codes(trained(mlp(), optimizer=lambda parameters: SGD(parameters, lr=0.0)))


def test_without_an_optimizer_no_parameter_is_reported_as_left_out() -> None:
    model = mlp()
    with inithealth.watch(model, settings=EVERY) as monitor:
        for _ in range(6):
            loss = cross_entropy(model(vectors()))
            loss.backward()
            monitor.step(loss)
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.sub_(0.01 * parameter.grad)
                    parameter.grad = None
    assert monitor.report.causes == ()


def stuck() -> Recording:
    return several(updates={"fc1": update(change=0.0, unmoved=1.0)})


def test_unused_rows_of_an_embedding_are_expected_to_stay_unchanged() -> None:
    assert len(judge(UnchangedParameters, stuck())) == 1
    rows = several(updates={"fc1": update(change=0.0, unmoved=1.0)}, layers=stack(fc1={"kind": "embedding"}))
    assert judge(UnchangedParameters, rows) == []


def test_the_option_changes_the_limit() -> None:
    assert judge(UnchangedParameters, stuck(), min_steps=20) == []


@pytest.mark.parametrize(("rows", "used"), [(60, 12), (1000, 100)])
def test_a_layer_of_which_a_part_is_used_is_healthy(rows: int, used: int) -> None:
    """As the last block of N-BEATS, whose backcast is unused: a sample of its weight can miss all that moves."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(24, 64), nn.ReLU(), nn.Linear(64, rows))
    with inithealth.watch(net, optimizer=(adam := torch.optim.Adam(net.parameters())), verbose=False) as monitor:
        for _ in range(12):
            x = torch.randn(64, 24)
            loss = (net(x)[:, rows - used :] - x.mean(1, keepdim=True)).abs().mean()
            adam.zero_grad()
            loss.backward()
            monitor.step(loss)
            adam.step()
    assert "IH408" not in codes(monitor.report)

"""A network that classifies well has no unhealthy outputs, however large: training made them."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import inithealth
from inithealth import Report, Severity
from inithealth.evidence.losses import predicts_well
from inithealth.recording import Loss
from tests.rules.recordings import recording, stack


@pytest.mark.parametrize(
    ("loss", "well"),
    [
        (Loss(kind="cross_entropy", classes=10, value=1.2), False),
        (Loss(kind="cross_entropy", classes=10, value=1.1), True),
        (Loss(kind="cross_entropy", value=0.1), True),  # two classes, if the number is not known
        (Loss(kind="bce_logits", base=0.1, value=0.06), False),
        (Loss(kind="bce_logits", base=0.1, value=0.04), True),
        (Loss(kind="mse", base=1.0, value=0.01), False),  # a skip connection from the input predicts as well
        (Loss(), False),
    ],
)
def test_a_classification_far_below_guessing_predicts_well(loss: Loss, well: bool) -> None:
    assert predicts_well(recording(stack(), loss=loss)) is well


def draw(seed: int) -> tuple[Tensor, Tensor]:
    """Return images of a bar whose position is the class."""
    torch.manual_seed(seed)
    y = torch.arange(32) % 8
    x = 0.3 * torch.randn(32, 1, 16, 16)
    for image, position in zip(x, y.tolist(), strict=True):
        image[0, 2 * position : 2 * position + 2] += 1.0
    return x, y


def trained(activation: type[nn.Module], steps: int = 60) -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential(
        *(nn.Conv2d(1, 16, 3, 2, 1), activation(), nn.Conv2d(16, 32, 3, 2, 1), activation(), nn.Flatten()),
        *(nn.Linear(512, 64), activation(), nn.Linear(64, 8)),
    )
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for step in range(steps):
        x, y = draw(step)
        optimizer.zero_grad()
        cross_entropy(model(x), y).backward()
        optimizer.step()
    return model


def checked(model: nn.Module, shift: int = 0) -> Report:
    x, y = draw(1000)
    return inithealth.check(model, (x, (y + shift) % 8), loss=cross_entropy)


@pytest.mark.parametrize("steps", [3, 11, 60])
@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh])
def test_a_network_is_healthy_after_training(activation: type[nn.Module], steps: int) -> None:
    report = checked(trained(activation, steps))
    assert [cause for cause in report.causes if cause.severity is not Severity.INFO] == []


def test_large_logits_that_are_wrong_are_reported() -> None:
    model = trained(nn.ReLU)
    larger = copy.deepcopy(model)
    larger[-1].weight.data.mul_(4.0)
    assert checked(larger).ok
    found = {cause.code for cause in checked(larger, shift=1).causes}
    assert found & {"IH202", "IH208"}

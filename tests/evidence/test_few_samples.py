"""What a small batch cannot show is reported as not measured, with the required batch size."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import inithealth

WIDE = "used directions and dead units of layer 0, layer 2"


def perceptron() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 3))


def convolutional() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ((20,), "the batch has one sample, or no batch dimension (1 row of outputs there)"),
        ((1, 20), "the batch has one sample, or no batch dimension (1 row of outputs there)"),
        ((7, 20), "the batch has few samples (7 rows of outputs there)"),
    ],
)
def test_a_batch_that_is_too_small(shape: tuple[int, ...], says: str) -> None:
    report = inithealth.check(perceptron(), torch.randn(shape))
    assert report.not_measured == (f"{WIDE}: {says}; pass a batch of 8 samples or more, as of shape (8, 20)",)
    reasons = {skipped.code: skipped.reason for skipped in report.skipped}
    assert reasons["IH207"] == "no layer's outputs have 8 rows: pass a batch of 8 samples or more"


@pytest.mark.parametrize("shape", [(8, 20), (4, 2, 20)], ids=["samples", "positions"])
def test_a_batch_that_is_large_enough(shape: tuple[int, ...]) -> None:
    report = inithealth.check(perceptron(), torch.randn(shape))
    assert report.not_measured == ()
    assert "IH207" not in [skipped.code for skipped in report.skipped]


def test_positions_count_as_rows() -> None:
    report = inithealth.check(convolutional(), torch.randn(1, 3, 12, 12))
    assert [line.partition(":")[0] for line in report.not_measured] == ["used directions and dead units of layer 4"]
    assert "IH207" not in [skipped.code for skipped in report.skipped]


def test_layers_with_few_units_need_no_more_rows() -> None:
    torch.manual_seed(0)
    narrow = nn.Sequential(nn.Linear(20, 7), nn.Tanh(), nn.Linear(7, 3))
    assert inithealth.check(narrow, torch.randn(2, 20)).not_measured == ()


def test_a_watched_training_reports_it_too() -> None:
    model = perceptron()
    with inithealth.watch(model) as monitor:
        for _ in range(2):
            loss = model(torch.randn(2, 20)).square().mean()
            loss.backward()
            monitor.step(loss)
    assert any(line.startswith(WIDE) for line in monitor.report.not_measured)


def test_a_unit_that_no_sample_activates_is_still_found() -> None:
    model = perceptron()
    nn.init.constant_(model[0].bias, -100.0)
    report = inithealth.check(model, torch.randn(2, 20))
    assert not report.ok

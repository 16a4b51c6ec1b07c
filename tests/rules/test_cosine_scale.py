"""The scale of cosines that cross-entropy receives, in whole models."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import inithealth
from inithealth import Finding, Severity
from tests.record.reading import Written

X = torch.randn(128, 16, generator=torch.Generator().manual_seed(0))


def found(classes: int, scale: float | None, **options: Any) -> list[Finding]:
    """The findings of loss-at-init on a cosine classifier; without a number, its scale is learnable."""

    def forward(net: Any, x: Tensor) -> Tensor:
        cosines = F.linear(F.normalize(net.body(x)), F.normalize(net.classes))
        return cosines * (net.scale if scale is None else scale)

    torch.manual_seed(0)
    body = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 32))
    weights = nn.Parameter(torch.randn(classes, 32) / 32**0.5)
    model = Written(forward, body=body, classes=weights, scale=nn.Parameter(torch.tensor(1.0)))
    settings = {"rules": {"loss-at-init": options}}
    labels = torch.arange(128) % classes
    report = inithealth.check(model, (X, labels), loss=F.cross_entropy, settings=settings)
    return [each for each in report.findings if each.code == "IH208"]


@pytest.mark.parametrize(("classes", "scale"), [(100, 1.0), (500, 1.0), (500, 0.5)])
def test_cosines_without_a_scale(classes: int, scale: float) -> None:
    (finding,) = found(classes, scale)
    assert finding.severity == Severity.WARNING
    assert finding.measured is not None
    assert finding.measured > 0.5
    assert "multiply the cosines by" in finding.fix


@pytest.mark.parametrize(
    ("classes", "scale"), [(10, 1.0), (100, 16.0), (500, 16.0), (500, 4.0), (500, 32.0), (500, None)]
)
def test_scales_in_use(classes: int, scale: float | None) -> None:
    assert found(classes, scale) == []


def test_a_scale_that_is_too_large() -> None:
    """With 32 features, cosines have a std of 0.18: multiplied by 64, the logits are too wide."""
    (finding,) = found(500, 64.0)
    assert "have std" in finding.message
    assert finding.fix.startswith("multiply the cosines by a smaller number")


def test_the_similarities_of_a_batch_with_a_temperature() -> None:
    """As SimCLR has them, with a temperature of 0.5."""

    def loss(output: Tensor) -> Tensor:
        features = F.normalize(output)
        return F.cross_entropy(features @ features.T / 0.5, torch.arange(128).roll(64))

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 32))
    assert [each for each in inithealth.check(model, X, loss=loss).findings if each.code == "IH208"] == []


def test_options() -> None:
    assert found(100, 1.0, max_cosine_lowest=0.9) == []
    assert found(100, 1.0, min_cosine_classes=200) == []
    assert len(found(10, 0.5, min_cosine_classes=10)) == 1

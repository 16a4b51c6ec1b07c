"""Settings for single layers: other options, ignored rules, or suppressions with a reason."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import inithealth
from inithealth import Report, Settings

INPUTS = torch.randn(48, 8, generator=torch.Generator().manual_seed(1))


def faulty(spread: float) -> nn.Sequential:
    """Return one layer with nearly or exactly constant weights."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 4))
    nn.init.normal_(net[2].weight, 0.1, spread)
    return net


def judged(*, spread: float = 0.0, **settings: Any) -> Report:
    def loss(output: Tensor) -> Tensor:
        return F.cross_entropy(output, torch.arange(48) % 4)

    return inithealth.check(faulty(spread), INPUTS, loss=loss, settings=settings)


def codes(report: Report) -> list[str]:
    return [cause.code for cause in report.causes]


def test_the_finding_without_overrides() -> None:
    assert "IH104" in codes(judged())


@pytest.mark.parametrize(("layers", "found"), [("2", False), ("[0-9]", False), ("head*", True)])
def test_a_rule_can_be_ignored_on_some_layers(layers: str, found: bool) -> None:
    assert ("IH104" in codes(judged(overrides=[{"layers": layers, "ignore": "IH104"}]))) is found


def test_a_finding_that_includes_other_layers_remains() -> None:
    overrides = [{"layers": "0", "ignore": "IH1"}]
    assert codes(judged(overrides=overrides)) == codes(judged())


@pytest.mark.parametrize(("layers", "found"), [("2", False), ("0", True)])
def test_an_option_can_differ_on_some_layers(layers: str, found: bool) -> None:
    option = {"correlated-outputs": {"max_cosine": 1.1}}
    report = judged(spread=0.02, select=["IH206"], overrides=[{"layers": layers, "rules": option}])
    assert ("IH206" in codes(report)) is found


def test_the_last_override_counts() -> None:
    off, on = ({"correlated-outputs": {"max_cosine": value}} for value in (1.1, 0.6))
    both = [{"layers": "*", "rules": off}, {"layers": "2", "rules": on}]
    assert codes(judged(spread=0.02, select=["IH206"], overrides=both)) == ["IH206"]
    assert codes(judged(spread=0.02, select=["IH206"], overrides=both[::-1])) == []


def test_a_suppressed_finding_is_reported_with_the_reason_and_does_not_fail() -> None:
    before = judged(fail_on="warning")
    assert not before.ok
    report = judged(fail_on="warning", suppress=[{"rule": "IH104", "layers": "2", "reason": "a pooling, written so"}])
    assert report.ok
    assert codes(report) == codes(before)
    assert report.causes[0].suppressed == "a pooling, written so"
    assert "suppressed: a pooling, written so" in str(report)


def test_an_unused_suppression_is_reported() -> None:
    suppress = [{"rule": "zero-weights", "layers": "head", "reason": "starts at zero"}]
    report = judged(suppress=suppress)
    assert "unused suppression: zero-weights on head matches no finding" in report.notes
    assert all(cause.suppressed is None for cause in report.causes)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"suppress": [{"rule": "IH104"}]}, "reason"),
        ({"suppress": [{"rule": "IH104", "reason": "  "}]}, "reason"),
        ({"suppress": [{"rule": "IH999", "reason": "why"}]}, "unknown rule 'IH999'"),
        ({"suppress": [{"rule": "IH104", "reason": "why", "layer": "2"}]}, "did you mean 'layers'"),
        ({"overrides": [{"layers": [], "ignore": "IH1"}]}, "layers"),
        ({"overrides": [{"layers": "2", "ignore": "zero-weight"}]}, "did you mean 'zero-weights'"),
        ({"overrides": [{"layers": "2", "rules": {"dead-units": {"max_shar": 1}}}]}, "unknown option of dead-units"),
    ],
)
def test_an_invalid_override_is_rejected(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Settings.model_validate(settings)

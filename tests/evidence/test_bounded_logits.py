"""How low a loss can get with limited logits: compared with the loss of the best logits in the range."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from inithealth.evidence.bounded_logits import has_flat_side, is_one_sided, lacks_logarithm, lowest_share
from inithealth.recording import Loss


@pytest.mark.parametrize(("classes", "span"), [(2, 1.0), (10, 1.0), (10, 2.0), (100, 6.0)])
def test_the_lowest_cross_entropy(classes: int, span: float) -> None:
    logits = torch.zeros(1, classes)
    logits[0, 0] = span
    best = float(F.cross_entropy(logits, torch.tensor([0]))) / math.log(classes)
    loss = Loss(kind="cross_entropy", classes=classes, source="sigmoid", span=span)
    assert lowest_share(loss) == pytest.approx(best, rel=1e-4)


@pytest.mark.parametrize(("lowest", "span"), [(0.0, 1.0), (-1.0, 2.0), (0.0, None)])
def test_the_lowest_binary_cross_entropy(lowest: float, span: float | None) -> None:
    highest = lowest + (span or 1e3)
    targets = torch.tensor([1.0, 0.0, 0.0, 0.0])
    logits = torch.where(targets > 0, highest, lowest)
    base = F.binary_cross_entropy(torch.full((4,), 0.25), targets)
    best = float(F.binary_cross_entropy_with_logits(logits, targets) / base)
    loss = Loss(kind="bce_logits", source="relu", lowest=lowest, span=span, positives=0.25, base=float(base))
    assert lowest_share(loss) == pytest.approx(best, rel=1e-4)


@pytest.mark.parametrize(
    "loss",
    [
        Loss(kind="cross_entropy", classes=10, source="layer"),
        Loss(kind="cross_entropy", classes=10, source="relu", lowest=0.0),
        Loss(kind="cross_entropy", classes=10, source="", span=1.0),
        Loss(kind="bce_logits", source="gelu", base=0.5, positives=0.2),
        Loss(kind="mse", source="sigmoid", span=1.0, lowest=0.0),
    ],
)
def test_what_does_not_limit_a_loss(loss: Loss) -> None:
    assert lowest_share(loss) == 0.0


def test_edges_and_sides() -> None:
    assert [has_flat_side(Loss(source=name)) for name in ("relu", "hardtanh", "tanh", "softplus", "layer", "")] == [
        True,
        True,
        False,
        False,
        False,
        False,
    ]
    assert [is_one_sided(Loss(lowest=low)) for low in (0.0, -1.0, None)] == [True, False, False]


@pytest.mark.parametrize(
    ("source", "lacks"), [("layer", True), ("softmax", True), ("relu", True), ("log_softmax", False), ("", False)]
)
def test_log_probabilities(source: str, lacks: bool) -> None:
    assert lacks_logarithm(Loss(kind="nll", source=source)) is lacks
    assert not lacks_logarithm(Loss(kind="cross_entropy", source=source))

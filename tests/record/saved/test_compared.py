"""What composed losses compare, with any factor and reduction."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth.record.graph.loss_terms import loss_terms
from inithealth.record.saved.compared import Compared, compared
from tests.record.reading import flow_behind

X, TARGETS = torch.randn(16, 4), torch.randn(16, 3) + 1.0
WEIGHTS = torch.rand(3)


def found(loss: Callable[[Tensor], Tensor], rows: int | None = None) -> tuple[Compared | None, Tensor]:
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    output = model(X)
    flow = flow_behind(model, loss(output))
    (term,) = loss_terms(flow)
    return compared(flow, term, dict(model.named_parameters()).get, rows), output.detach()


SQUARES: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda y: ((y - TARGETS) ** 2).mean(),
    "sum over features, mean over the batch": lambda y: (5 * ((y - TARGETS) ** 2).sum(1)).mean(),
    "sum": lambda y: (TARGETS - y).square().sum() / 16,
    "a product with itself": lambda y: (lambda d: (d * d).mean())(y - TARGETS),
    "root": lambda y: ((y - TARGETS) ** 2).mean().sqrt(),
    "with a penalty": lambda y: ((y - TARGETS) ** 2).sum(1).mean() + 0.1 * (y**2).sum(),
    "absolute": lambda y: (y - TARGETS).abs().sum(1).mean() * 3,
    "called": lambda y: 2 * F.mse_loss(y, TARGETS, reduction="none").sum(1).mean(),
}


@pytest.mark.parametrize("name", SQUARES)
def test_predictions_and_targets(name: str) -> None:
    pair, output = found(SQUARES[name])
    assert pair is not None
    torch.testing.assert_close(pair.predictions, output)
    torch.testing.assert_close(pair.targets, TARGETS)
    assert bool((pair.weights == 1).all())


def test_a_constant_factor_inside_the_square() -> None:
    for loss in (
        lambda y: (((y - TARGETS) * WEIGHTS) ** 2).mean(),
        lambda y: (((y - TARGETS) / (1 / WEIGHTS)) ** 2).sum(1).mean(),
        lambda y: (5 * (WEIGHTS**2) * (y - TARGETS) ** 2).mean(),
    ):
        pair, _ = found(loss)
        assert pair is not None
        torch.testing.assert_close(pair.targets, TARGETS)
        torch.testing.assert_close(pair.weights, (WEIGHTS**2).expand(16, 3) * pair.weights[0, 0] / WEIGHTS[0] ** 2)


def test_the_first_samples_of_a_live_step() -> None:
    pair, output = found(SQUARES["mean"], rows=5)
    assert pair is not None
    torch.testing.assert_close(pair.predictions, output[:5])
    torch.testing.assert_close(pair.targets, TARGETS[:5])


def test_targets_that_have_weights_are_not_known() -> None:
    pair, _ = found(lambda y: ((y - 2 * y.sigmoid()) ** 2).mean())
    assert pair is None


def test_the_weighted_median() -> None:
    targets = torch.tensor([0.0, 1.0, 10.0])
    assert Compared(targets, targets, torch.ones(3)).median() == 1.0
    assert Compared(targets, targets, torch.tensor([1.0, 1.0, 5.0])).median() == 10.0

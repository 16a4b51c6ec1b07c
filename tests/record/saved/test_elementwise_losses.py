"""The value of a loss that compares elements, and that of the best constant."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth.record.saved.losses import losses_of
from inithealth.recording import Loss
from tests.record.reading import flow_behind

X = torch.randn(16, 4)
TARGETS, BITS, COUNTS = torch.randn(16, 3) + 1.0, (torch.rand(16, 3) < 0.3).float(), torch.rand(16, 3).mul(4).round()
MASK = torch.tensor([1.0, 0.0, 2.0]).expand(16, 3).clone()


def only(model: nn.Module, loss: Tensor) -> Loss:
    (found,) = losses_of(flow_behind(model, loss), {}, None)
    return found


def best(loss: Callable[[Tensor], Tensor], targets: Tensor) -> float:
    """The loss of predicting the mean target."""
    return float(loss(torch.full_like(targets, float(targets.mean()))))


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize(
    ("kind", "loss"), [("mse", F.mse_loss), ("smooth_l1", F.smooth_l1_loss), ("huber", F.huber_loss)]
)
def test_value_and_start_of_a_regression(kind: str, loss: Callable[..., Tensor], reduction: str) -> None:
    model = nn.Linear(4, 3)
    output = model(X)
    found = only(model, loss(output, TARGETS, reduction=reduction))
    assert found.kind == kind
    assert found.value == pytest.approx(loss(output, TARGETS).item(), rel=1e-5)
    assert found.base == pytest.approx(best(lambda c: loss(c, TARGETS), TARGETS), rel=1e-4)
    assert found.over_base == pytest.approx(found.value / found.base)
    assert found.prediction_rms == pytest.approx(output.square().mean().sqrt().item(), rel=1e-5)
    assert found.target_rms == pytest.approx(float(TARGETS.square().mean().sqrt()), rel=1e-5)


def test_value_and_start_of_a_binary_cross_entropy() -> None:
    model = nn.Linear(4, 3)
    output = model(X)
    found = only(model, F.binary_cross_entropy_with_logits(output, BITS, pos_weight=torch.tensor(5.0)))
    share = BITS.mean()
    assert found.value == pytest.approx(F.binary_cross_entropy_with_logits(output, BITS).item(), rel=1e-5)
    assert found.base == pytest.approx(float(-share * share.log() - (1 - share) * (1 - share).log()), rel=1e-4)
    assert found.positives == pytest.approx(float(share))
    assert found.logits_std == pytest.approx(output.std(unbiased=False).item(), rel=1e-4)


def test_value_and_start_of_a_poisson_loss() -> None:
    """By the deviance, which unlike the loss is zero for the right rates."""
    model = nn.Linear(4, 3)
    output = model(X)
    found = only(model, F.poisson_nll_loss(output, COUNTS))
    mean = torch.full_like(COUNTS, float(COUNTS.mean()))
    excess = F.poisson_nll_loss(output, COUNTS) - F.poisson_nll_loss(mean.log(), COUNTS)
    assert found.kind == "poisson"
    assert found.value - found.base == pytest.approx(excess.item(), rel=1e-3, abs=1e-4)
    assert found.prediction_rms == pytest.approx(output.exp().square().mean().sqrt().item(), rel=1e-5)


def test_value_and_start_of_an_absolute_error() -> None:
    """Nothing is closer to the targets than their median."""
    model = nn.Linear(4, 3)
    output = model(X)
    (found,) = losses_of(flow_behind(model, F.l1_loss(output, TARGETS)), {}, None, dict(model.named_parameters()).get)
    lowest = min(float((TARGETS - constant).abs().mean()) for constant in TARGETS.flatten())
    assert found.value == pytest.approx(F.l1_loss(output, TARGETS).item(), rel=1e-5)
    assert found.base == pytest.approx(lowest, rel=1e-5)
    assert found.target_rms == pytest.approx(float(TARGETS.square().mean().sqrt()), rel=1e-5)


def test_a_constant_mask_weights_the_elements() -> None:
    model = nn.Linear(4, 3)
    output = model(X)
    found = only(model, (F.mse_loss(output, TARGETS, reduction="none") * MASK).sum() / 7)
    expected = ((output - TARGETS).square() * MASK).sum() / MASK.sum()
    assert found.value == pytest.approx(expected.item(), rel=1e-5)


def test_factors_that_are_no_weights_are_left_out() -> None:
    """Of a loss that is multiplied by a signal, a negative number or a mean over an axis, all elements count."""
    model = nn.Linear(4, 3)
    output = model(X)
    plain = F.mse_loss(output, TARGETS).item()
    for loss in (
        (F.mse_loss(output, TARGETS, reduction="none") * output.sigmoid()).mean(),
        (F.mse_loss(output, TARGETS, reduction="none") * TARGETS).mean(),
        (F.mse_loss(output, TARGETS, reduction="none").mean(1) * MASK[:, 2]).mean(),
    ):
        assert only(model, loss).value == pytest.approx(plain, rel=1e-5)


def test_a_target_that_is_computed_from_weights_has_no_start() -> None:
    model = nn.Linear(4, 3)
    output = model(X)
    assert only(model, F.mse_loss(output, model(2 * X))).value is None


def test_equal_targets_have_no_ratio() -> None:
    model = nn.Linear(4, 3)
    found = only(model, F.mse_loss(model(X), torch.ones(16, 3)))
    assert (found.base, found.over_base) == (0.0, None)

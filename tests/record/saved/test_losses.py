"""The loss at the end of a graph."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth.record.saved import losses
from tests.record.reading import flow_behind, read

LABELS = torch.tensor([0, 2, 1, 2, 0])
LOSSES: dict[str, tuple[str, Callable[[Tensor], Tensor]]] = {
    "F.cross_entropy": ("cross_entropy", lambda y: F.cross_entropy(y, LABELS)),
    "log_softmax and nll": ("cross_entropy", lambda y: F.nll_loss(y.log_softmax(1), LABELS)),
    "label smoothing": ("cross_entropy", lambda y: F.cross_entropy(y, LABELS, label_smoothing=0.1)),
    "weighted and summed": ("cross_entropy", lambda y: F.cross_entropy(y, LABELS, torch.ones(3), reduction="sum")),
    "scaled, plus a penalty": ("cross_entropy", lambda y: 0.5 * F.cross_entropy(y, LABELS) + 1e-3 * y.square().mean()),
    "picked by hand": ("cross_entropy", lambda y: -y.log_softmax(-1).gather(1, LABELS[:, None]).mean()),
    "soft targets": ("cross_entropy", lambda y: F.cross_entropy(y, torch.full((5, 3), 1 / 3))),
    "mse": ("mse", lambda y: F.mse_loss(y, torch.zeros(5, 3))),
    "huber": ("huber", lambda y: F.huber_loss(y, torch.zeros(5, 3))),
    "bce": ("bce", lambda y: F.binary_cross_entropy(y.sigmoid(), torch.ones(5, 3))),
    "bce with logits": ("bce_logits", lambda y: F.binary_cross_entropy_with_logits(y, torch.ones(5, 3))),
    "something else": ("unknown", lambda y: y.square().sum()),
}


@pytest.mark.parametrize("name", LOSSES)
def test_the_kind_of_a_loss(name: str) -> None:
    kind, loss = LOSSES[name]
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    assert read(model, torch.randn(5, 4), loss=loss).recorder.network.loss.kind == kind


@pytest.mark.parametrize("name", [name for name, (kind, _) in LOSSES.items() if kind not in ("unknown", "bce")])
def test_the_kind_of_a_loss_after_its_backward_pass(name: str) -> None:
    kind, loss = LOSSES[name]
    model = nn.Linear(4, 3)
    output = model(torch.randn(5, 4))
    value = loss(output)
    value.backward()
    found = losses.loss_after_backward(value.grad_fn, losses.logit_stds([output]))
    assert found.kind == kind


def spread(logits: list[list[float]]) -> float:
    """Return the square root of the mean variance over the classes of each sample."""
    variances = [sum((v - sum(row) / len(row)) ** 2 for v in row) / len(row) for row in logits]
    return math.sqrt(sum(variances) / len(variances))


def test_classes_and_std_of_the_logits() -> None:
    model = nn.Linear(4, 3)
    output = model(torch.randn(5, 4))
    value = F.cross_entropy(output, LABELS)
    found = losses.losses_of(flow_behind(model, value), {}, None)[0]
    assert (found.classes, found.sums_to_one) == (3, False)
    assert found.logits_std == pytest.approx(spread(output.tolist()), rel=1e-4)
    value.backward()
    later = losses.loss_after_backward(value.grad_fn, losses.logit_stds([output]))
    assert (later.classes, later.sums_to_one) == (3, False)
    assert later.logits_std == pytest.approx(spread(output.tolist()), rel=1e-4)


@pytest.mark.parametrize("shape", [(2, 3, 5), (2, 3, 4, 4)])
def test_classes_are_counted_along_their_axis(shape: tuple[int, ...]) -> None:
    """For images and sequences the classes are axis 1."""
    model = nn.Linear(shape[-1], shape[-1])
    output = model(torch.randn(shape))
    value = F.cross_entropy(output, torch.zeros((shape[0], *shape[2:]), dtype=torch.int64))
    found = losses.losses_of(flow_behind(model, value), {}, None)[0]
    assert found.classes == 3
    assert found.logits_std == pytest.approx(spread(output.movedim(1, -1).reshape(-1, 3).tolist()), rel=1e-4)


def test_probabilities_instead_of_logits_are_reported() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.Softmax(-1))
    value = F.cross_entropy(model(torch.randn(5, 4)), LABELS)
    assert losses.losses_of(flow_behind(model, value), {}, None)[0].sums_to_one
    assert losses.loss_after_backward(value.grad_fn, {}).sums_to_one

"""The value of a Gaussian negative log-likelihood, and that of the best constant variance."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from inithealth.record.saved.losses import losses_of
from tests.record.reading import Written, flow_behind

X, Y = torch.randn(16, 4), torch.randn(16, 3)


@pytest.mark.parametrize("rows", [None, 5])
def test_value_and_start_of_a_gaussian_likelihood(rows: int | None) -> None:
    model: Any = Written(lambda net, x: x, mean=nn.Linear(4, 3), scale=nn.Linear(4, 3))
    mean, log_variance = model.mean(X), model.scale(X)
    flow = flow_behind(model, F.gaussian_nll_loss(mean, Y, log_variance.exp()))
    names = {node: operation.weights[0] for node, operation in flow.operations.items()}
    loss = next(each for each in losses_of(flow, names, rows) if each.kind == "gaussian_nll")
    mean, log_variance, targets = mean.detach()[:rows], log_variance.detach()[:rows], Y[:rows]
    errors = (mean - targets).square()
    constant = torch.full_like(errors, float(errors.mean()))
    assert loss.heads == ("scale.weight",)
    assert loss.value == pytest.approx(F.gaussian_nll_loss(mean, targets, log_variance.exp()).item(), rel=1e-4)
    assert loss.base == pytest.approx(F.gaussian_nll_loss(mean, targets, constant).item(), rel=1e-4)
    assert loss.log_variance == pytest.approx(log_variance.square().mean().sqrt().item(), rel=1e-4)

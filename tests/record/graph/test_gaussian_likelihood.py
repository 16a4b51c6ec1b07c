"""The variance that squared errors are divided by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Normal

from inithealth.record.graph.gaussian_likelihood import Variance, variance_of
from inithealth.record.graph.loss_terms import loss_terms
from tests.record.reading import Written, flow_behind

X, Y = torch.randn(8, 4), torch.randn(8, 3)
Likelihood = Callable[[Tensor, Tensor], Tensor]


def found(loss: Likelihood) -> tuple[Variance | None, Tensor]:
    """The variance, and the output of the layer that sets it."""
    model: Any = Written(lambda net, x: x, mean=nn.Linear(4, 3), scale=nn.Linear(4, 3))
    scale = model.scale(X)
    flow = flow_behind(model, loss(model.mean(X), scale))
    term = next(term for term in loss_terms(flow) if term.kind == "mse")
    return variance_of(flow.graph, term.node), scale.detach()


LIKELIHOODS: dict[str, tuple[Likelihood, Callable[[Tensor], Tensor]]] = {
    "called": (lambda m, s: F.gaussian_nll_loss(m, Y, F.softplus(s)), F.softplus),
    "by log-variance": (lambda m, s: (0.5 * (s + (m - Y) ** 2 / s.exp())).sum(1).mean(), torch.exp),
    "by precision": (lambda m, s: (s + (m - Y) ** 2 * torch.exp(-s)).mean(), torch.exp),
    "by std": (lambda m, s: (s + (m - Y) ** 2 / (2 * s.exp() ** 2)).mean(), lambda s: s.exp() ** 2),
    "a distribution": (lambda m, s: -Normal(m, F.softplus(s)).log_prob(Y).mean(), lambda s: F.softplus(s) ** 2),
}
OTHERS: dict[str, Likelihood] = {
    "a constant variance": lambda m, s: ((m - Y) ** 2 / 2).mean() + s.mean(),
    "learned weights": lambda m, s: ((m - Y) ** 2 * s.sigmoid()).mean(),
    "without the logarithm": lambda m, s: ((m - Y) ** 2 / s.exp()).mean(),
}


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_the_variance_of_a_likelihood(name: str) -> None:
    loss, expected = LIKELIHOODS[name]
    variance, scale = found(loss)
    assert variance is not None
    torch.testing.assert_close(variance.values, expected(scale))


@pytest.mark.parametrize("name", OTHERS)
def test_other_factors_of_squared_errors(name: str) -> None:
    assert found(OTHERS[name])[0] is None

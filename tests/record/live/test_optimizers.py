"""The optimizer that a network is judged for."""

from __future__ import annotations

import pytest
import torch
from torch import nn, optim

from inithealth.record.live.optimizers import describe_optimizers, is_adaptive

PARAMETERS = [nn.Parameter(torch.ones(2))]


class MySGD(optim.SGD):
    pass


@pytest.mark.parametrize(
    ("kind", "adaptive"),
    [
        (optim.SGD, False),
        (MySGD, False),
        (optim.ASGD, False),
        (optim.Rprop, False),
        (optim.LBFGS, False),
        (optim.Adam, True),
        (optim.AdamW, True),
        (optim.RMSprop, True),
        (optim.Adagrad, True),
        (optim.NAdam, True),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_an_adaptive_optimizer_takes_full_steps_for_small_gradients(
    kind: type[optim.Optimizer], adaptive: bool
) -> None:
    assert is_adaptive([kind(PARAMETERS, lr=0.1)]) is adaptive


def test_no_optimizer_means_sgd_and_one_plain_optimizer_makes_all_plain() -> None:
    assert not is_adaptive([])
    assert not is_adaptive([optim.Adam(PARAMETERS), optim.SGD(PARAMETERS, lr=0.1)])


def test_an_optimizer_is_described_with_its_rates() -> None:
    groups = [{"params": PARAMETERS}, {"params": [nn.Parameter(torch.ones(1))], "lr": 0.5}]
    assert describe_optimizers([optim.SGD(groups, lr=0.01)]) == "SGD(lr=0.01, 0.5)"
    assert describe_optimizers([optim.Adam(PARAMETERS, lr=torch.tensor(1e-3))]) == "Adam(lr=0.001)"
    scheduled = optim.SGD(PARAMETERS, lr=0.1)
    optim.lr_scheduler.LinearLR(scheduled, 1e-3)
    assert describe_optimizers([scheduled]) == "SGD(lr=0.1)"
    assert describe_optimizers([optim.Adam(PARAMETERS), MySGD(PARAMETERS, lr=2.0)]) == "Adam(lr=0.001), MySGD(lr=2)"

"""The first non-finite loss of steps without other measurements."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from inithealth.record.live.loss_monitor import LossMonitor


def watched(*losses: Tensor | float | None) -> int | None:
    monitor = LossMonitor()
    for index, loss in enumerate(losses):
        monitor.add(10 + index, loss)
    return monitor.taken()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_the_first_broken_loss_is_known(bad: float) -> None:
    assert watched(1.0, bad, 2.0, bad) == 11
    assert watched(torch.tensor(1.0), torch.tensor(bad)) == 11
    assert watched(1.0, 2.0) is None


def test_a_missing_loss_is_ignored() -> None:
    assert watched(None, math.nan) == 11
    assert watched(None) is None


def test_it_is_reported_once() -> None:
    monitor = LossMonitor()
    monitor.add(3, math.nan)
    assert (monitor.taken(), monitor.taken()) == (3, None)
    monitor.add(4, math.nan)
    assert monitor.taken() == 4


def test_losses_that_need_synchronization_are_checked_together() -> None:
    """As for losses on a device; here, losses with several elements."""
    fine, bad = torch.ones(2), torch.tensor([1.0, math.nan])
    assert watched(*[fine] * 3, bad, bad) is None
    assert watched(*[fine] * 3, bad, *[fine] * 20) is None
    assert watched(*[fine] * 3, bad, *[fine] * 21) == 13
    assert watched(*[fine] * 25) is None
    assert watched(*[fine] * 25, *[fine] * 24, bad) == 59

"""Functions of torch that are replaced during a build are restored, and work on tensors without values."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from tests.record.paged.building import build, holding, made


def replaceable() -> tuple[Any, ...]:
    return nn.init.trunc_normal_, nn.init._no_grad_trunc_normal_, torch.utils.swap_tensors, nn.Parameter.__new__


def test_what_was_replaced_is_restored() -> None:
    before = replaceable()
    build(lambda: nn.Linear(3, 3))
    with pytest.raises(ZeroDivisionError):
        build(lambda: 1 / 0)
    assert replaceable() == before
    assert type(nn.Parameter(torch.zeros(3))) is nn.Parameter


def test_conversions_of_the_whole_model() -> None:
    model = made(lambda: nn.Sequential(nn.Linear(30, 30), nn.BatchNorm1d(30)).double().requires_grad_(False))
    assert model[0].weight.dtype == torch.float64
    assert not model[0].weight.requires_grad
    assert (model[1].running_var == 1).all()


def test_addresses_tell_tensors_apart() -> None:
    def fill(self: Any) -> None:
        one, two = torch.zeros(5), torch.zeros(5)
        self.same = one.data_ptr() == one.view(5, 1).data_ptr()
        self.others = {one.data_ptr(), two.data_ptr(), one[1:].data_ptr()}

    model = made(holding(fill))
    assert model.same
    assert len(model.others) == 3

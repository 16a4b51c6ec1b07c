"""Tensors that cannot be exchanged in place are replaced in what holds them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from inithealth.record.paged.build import CannotDefer
from inithealth.record.paged.swap import place_of
from tests.record.paged.building import build, holding, made


def test_a_parameter_that_a_graph_holds() -> None:
    def fill(self: Any) -> None:
        self.weight = nn.Parameter(torch.randn(30))
        self.weight.note = "kept"
        self.graph = (self.weight * self.weight).sum().grad_fn
        self.rows = self.weight[:3]
        self.function = lambda: self.weight

    model = made(holding(fill))
    assert type(model.weight) is nn.Parameter
    assert model.weight.note == "kept"
    assert model.function() is model.weight
    assert torch.equal(model.rows, model.weight[:3])
    model.weight.sum().backward()
    assert (model.weight.grad == 1).all()


def test_a_tensor_that_cannot_be_exchanged_is_replaced() -> None:
    def fill(self: Any) -> None:
        self.weight = nn.Parameter(torch.randn(30))
        self.weight.note = "kept"
        self.reference = torch._C._WeakTensorRef(self.weight)
        self.list, self.dictionary = [self.weight], {"weight": self.weight}
        self.function = (lambda held: lambda: held)(self.weight)

    model = made(holding(fill))
    assert type(model.weight) is nn.Parameter
    assert model.weight.note == "kept"
    assert model.weight.std() > 0
    assert all(held is model.weight for held in (model.list[0], model.dictionary["weight"], model.function()))


def test_a_tensor_that_cannot_be_replaced_is_refused_by_name() -> None:
    def fill(self: Any) -> None:
        self.inner = nn.Module()
        self.inner.held = (torch.randn(30),)
        self.reference = torch._C._WeakTensorRef(self.inner.held[0])

    with pytest.raises(CannotDefer, match=r"the tensor \(30,\) in inner.held cannot be made later"):
        build(holding(fill))


def test_the_place_of_a_value() -> None:
    value = torch.zeros(3)
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].held = {"table": [value]}  # type: ignore[assignment]
    assert place_of(value, model) == "1.held.table"
    assert place_of(torch.zeros(3), model) is None

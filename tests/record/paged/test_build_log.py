"""Values that a constructor reads are made while it runs if they are small, and refused with its line if not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from inithealth.record.paged.build import CannotDefer
from tests.record.paged.building import build, holding, made

HERE = r"test_build_log.py:\d+: "
READS = HERE + "the initialization reads values, for which"


@torch.library.custom_op("inithealth_tests::doubled", mutates_args=())
def doubled(x: Tensor) -> Tensor:
    return x * 2


def normalized(self: Any) -> None:
    self.weight = nn.Parameter(torch.randn(100, 100))
    self.weight.data.div_(self.weight.std().item())


def branching(self: Any) -> None:
    self.weight = nn.Parameter(torch.randn(100, 100))
    if self.weight.max() > 100:
        self.weight.data.zero_()


def masked(self: Any) -> None:
    self.weight = nn.Parameter(torch.randn(100, 100))
    self.weight.data[self.weight > 1] = 0


def selected(self: Any) -> None:
    values = torch.randn(100, 100)
    self.weight = nn.Parameter(values[values > 0])


def as_array(self: Any) -> None:
    self.weight = nn.Parameter(torch.randn(100, 100))
    self.weight.data.mul_(float(np.asarray(self.weight.detach()).std()))


def calls_the_network(self: Any) -> None:
    self.layer = nn.Linear(100, 100)
    self.layer.weight.data.div_(self.layer(torch.randn(5, 100)).std().item())


READERS = (normalized, branching, selected, as_array, calls_the_network)


@pytest.mark.parametrize("reader", READERS)
def test_a_constructor_that_reads_values(reader: Any) -> None:
    model = made(holding(reader), limit=2**18)
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    with pytest.raises(CannotDefer, match=READS):
        build(holding(reader), limit=2**10)


def test_values_that_were_read_are_those_that_are_made_later() -> None:
    assert made(holding(normalized)).weight.std().item() == pytest.approx(1, abs=1e-5)
    assert made(holding(masked)).weight.max() <= 1
    assert made(holding(selected)).weight.min() > 0

    def listing(self: Any) -> None:
        self.weight = nn.Parameter(torch.randn(20))
        self.list, self.array, self.indices = self.weight.tolist(), self.weight.detach().numpy(), self.weight > 0

    model = made(holding(listing))
    assert model.list == model.weight.tolist()
    assert model.array.tolist() == model.list


def test_small_arrays_are_kept() -> None:
    array = np.arange(1000.0)

    def fill(self: Any) -> None:
        self.copied = nn.Parameter(torch.empty(1000))
        self.copied.data.copy_(torch.from_numpy(array))
        self.own = nn.Parameter(torch.from_numpy(array.copy()))
        self.own.data.mul_(torch.full((1000,), 2.0))

    factory = holding(fill)
    model = made(factory)
    array[:] = 0  # later changes do not matter
    assert model.copied.sum() == 499500
    assert model.own.sum() == 999000


def test_large_arrays_are_refused() -> None:
    def fill(self: Any) -> None:
        self.weight = nn.Parameter(torch.empty(100, 1000))
        self.weight.data.copy_(torch.from_numpy(np.zeros((100, 1000))))

    with pytest.raises(CannotDefer, match=HERE + "the initialization has copied 800,000 bytes from arrays"):
        build(holding(fill), limit=2**16)


def test_an_existing_tensor_that_is_changed() -> None:
    existing = torch.ones(50)

    def fill(self: Any) -> None:
        existing.mul_(torch.full((50,), 3.0))
        self.weight = nn.Parameter(existing * 2)

    assert (made(holding(fill)).weight == 6).all()
    assert (existing == 3).all()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (lambda: doubled(torch.randn(10)), "inithealth_tests.doubled.default does not support tensors without values"),
        (lambda: torch.eye(3).to_sparse(), "sparse tensors cannot be made later"),
        (lambda: torch.quantize_per_tensor(torch.randn(5), 0.1, 0, torch.qint8), "quantized tensors cannot"),
        (lambda: torch.nested.nested_tensor([torch.randn(3)]), "does not support tensors without values"),
    ],
)
def test_kinds_that_are_not_supported(value: Any, message: str) -> None:
    with pytest.raises(CannotDefer, match=HERE + ".*" + message):
        build(holding(lambda self: setattr(self, "value", value())))


def test_the_default_dtype_of_the_build_is_used() -> None:
    def fill(self: Any) -> None:
        torch.set_default_dtype(torch.bfloat16)
        try:
            self.layer = nn.Linear(10, 10)
            self.ratio = nn.Parameter(torch.randn(5) / torch.arange(1, 6))
        finally:
            torch.set_default_dtype(torch.float32)

    model = made(holding(fill))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert model.ratio.isfinite().all()

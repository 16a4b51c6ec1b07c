"""Norms and repeated rows of gradients that are not formed, compared with those of the formed gradient."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from inithealth.record.statistics import pieces, products
from inithealth.record.statistics.gradients import gradient_norms, repeated_gradients
from inithealth.record.statistics.products import Looked, Product, norm, repeated_rows
from inithealth.recording import Layer, Weight

DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


def numbers(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def formed_repeats(gradient: Tensor) -> float:
    weight = Weight.model_construct(name="a.weight")
    layer = Layer.model_construct(name="a", kind="linear", weight=weight, unit_axis=0, groups=1)
    return repeated_gradients([layer], {"a.weight": gradient}).get("a", 0.0)


@pytest.fixture(params=["whole", "blocks"], autouse=True)
def _blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "blocks":
        monkeypatch.setattr(pieces, "LARGE", 1600)


@pytest.fixture(params=[0, 512])
def _inner(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_INNER", request.param)


@pytest.mark.usefixtures("_inner")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1.0, 1e-3, 100.0])
@pytest.mark.parametrize("inner", [1, 7, 40])
def test_the_norm_of_a_product(dtype: torch.dtype, scale: float, inner: int) -> None:
    left, right = (numbers(61, inner) * scale).to(dtype), numbers(inner, 37).to(dtype)
    exact = torch.linalg.vector_norm(left.double() @ right.double()).item()
    assert norm(Product(left, right)) == pytest.approx(exact, rel=1e-2 if dtype.itemsize == 2 else 1e-6)


@pytest.mark.usefixtures("_inner")
@pytest.mark.parametrize("scale", [1e-35, 1e-20, 1e-15, 1e15, 1e20, 1e35])
def test_products_of_any_size(scale: float) -> None:
    left, right = numbers(50, 3) * scale, numbers(3, 40)
    exact = torch.linalg.vector_norm(left.double() @ right.double()).item()
    assert norm(Product(left, right)) == pytest.approx(exact, rel=1e-6)


@pytest.mark.usefixtures("_inner")
def test_the_norm_of_a_product_is_zero_only_if_every_element_is() -> None:
    left, right = torch.zeros(50, 4), torch.zeros(4, 40)
    left[7, 1] = 1e-30
    assert norm(Product(left, right)) == 0.0
    right[1, 3] = 1e-10
    assert norm(Product(left, right)) == pytest.approx(1e-40, rel=1e-3)
    assert norm(Product(torch.zeros(0, 4), right)) == 0.0
    assert norm(Product(torch.zeros(5, 0), torch.zeros(0, 3))) == 0.0


@pytest.mark.usefixtures("_inner")
@pytest.mark.parametrize("odd", [math.nan, math.inf])
def test_the_norm_of_a_product_is_not_finite_if_an_element_is_not(odd: float) -> None:
    left, right = numbers(50, 4), numbers(4, 40)
    left[3, 1] = odd
    assert not math.isfinite(norm(Product(left, right)))
    assert not math.isfinite(norm(Product(torch.full((50, 4), 6e4).half(), numbers(4, 40).half() * 100)))


@pytest.mark.usefixtures("_inner")
def test_terms_that_cancel() -> None:
    left, right = numbers(50, 2).double(), numbers(2, 40).double()
    left[:, 1] = -left[:, 0]
    right[1] = right[0] * (1 + 1e-7)
    exact = torch.linalg.vector_norm(left @ right).item()
    assert norm(Product(left, right)) == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_gradient_of_an_embedding(dtype: torch.dtype) -> None:
    indices, grad = torch.tensor([[3, 9, 3], [50, 0, 77]]), numbers(2, 3, 5).to(dtype)
    grad[1, 0] = grad[0, 1]
    table = torch.zeros(90, 5, dtype=dtype, requires_grad=True)
    formed = torch.nn.functional.embedding(indices, table, padding_idx=0)
    formed.backward(grad)  # type: ignore[no-untyped-call]
    assert table.grad is not None
    looked = Looked(grad, indices, 90, 0)
    assert torch.equal(looked.rows(2, 60), table.grad[2:60])
    assert norm(looked) == pytest.approx(gradient_norms({"a": table.grad})["a"], rel=1e-6)
    assert repeated_rows(looked) == pytest.approx(formed_repeats(table.grad)) == pytest.approx(1 / 90)


def test_an_embedding_without_gradient() -> None:
    assert norm(Looked(torch.zeros(0, 5), torch.zeros(0, dtype=torch.int64), 9, 0)) == 0.0
    assert norm(Looked(torch.ones(2, 5), torch.zeros(2, dtype=torch.int64), 9, 0)) == 0.0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("units", "inner", "inputs"), [(60, 3, 40), (67, 9, 33), (61, 5, 128)])
@pytest.mark.parametrize("groups", [1, 2])
def test_repeated_rows_of_a_product(dtype: torch.dtype, units: int, inner: int, inputs: int, groups: int) -> None:
    units -= units % groups
    left, right = numbers(units, inner).to(dtype), numbers(inner, inputs).to(dtype)
    assert repeated_rows(Product(left, right), groups) == 0.0
    left[4] = left[units - 1] = left[2]
    left[10:14] = 0.0
    assert repeated_rows(Product(left, right), groups) == pytest.approx((2 if groups == 1 else 1) / units)
    assert repeated_rows(Product(left, right), units) == 0.0


def test_no_rows_repeat_if_they_are_zero_or_nan() -> None:
    left = numbers(60, 3)
    left[5:30] = 0.0
    assert repeated_rows(Product(left, numbers(3, 40))) == 0.0
    left[5:30] = math.nan
    assert repeated_rows(Product(left, numbers(3, 40))) == 0.0

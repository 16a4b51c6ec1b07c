"""Statistics of every element, compared with brute-force results."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from torch import Tensor

from inithealth.record.statistics.exact import LONG, between_share, careful, exact, norm_of, safe
from tests.record.odd import tensors
from tests.record.twins import assert_shows, numbers, statistics


@given(tensors())
def test_exact_measures_every_element(tensor: Tensor) -> None:
    assert_shows(exact(tensor), numbers(tensor))


def test_the_norm_of_millions_of_elements() -> None:
    values = torch.full((12 * LONG + 5,), 0.1)
    assert float(norm_of(values)) == pytest.approx(math.sqrt(0.01 * len(values)), rel=1e-5)
    signal = exact(values.view(-1, 1).t())
    assert signal is not None
    assert signal.rms == pytest.approx(0.1, rel=1e-5)


def test_a_scalar_is_measured() -> None:
    assert_shows(exact(torch.tensor(-3.0)), [-3.0])
    assert_shows(exact(torch.tensor(0.0)), [0.0])


def test_complex_numbers_are_pairs_of_reals() -> None:
    tensor = torch.randn(4, 3, dtype=torch.complex64)
    assert_shows(exact(tensor), numbers(tensor))
    assert_shows(exact(tensor.conj()), numbers(tensor.conj()))
    assert_shows(exact(tensor.conj().imag), numbers(-tensor.imag))


@pytest.mark.parametrize("layout", [torch.sparse_coo, torch.sparse_csr, torch.sparse_csc])
@pytest.mark.filterwarnings("ignore:Sparse CS. tensor support is in beta state:UserWarning")
def test_a_sparse_tensor_is_measured_by_its_values(layout: torch.layout) -> None:
    dense = torch.tensor([[0.0, 2.0, 0.0], [-1.0, 0.0, 5.0]])
    assert_shows(exact(dense.to_sparse(layout=layout)), [-1.0, 2.0, 5.0])


def test_repeated_entries_of_a_sparse_tensor_are_summed() -> None:
    twice = torch.sparse_coo_tensor([[1, 1, 2]], [1.0, 2.0, 4.0], (5,), check_invariants=True)
    assert not twice.is_coalesced()
    assert_shows(exact(twice), [3.0, 4.0])


@pytest.mark.parametrize("layout", [torch.jagged, torch.strided])
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
def test_a_nested_tensor_is_measured_by_all_its_tensors(layout: torch.layout) -> None:
    parts = [torch.randn(3, 2), torch.randn(1, 2)]
    nested = torch.nested.nested_tensor(parts, layout=layout)
    assert_shows(exact(nested), numbers(torch.cat(parts)))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_neither_overflows_nor_underflows(dtype: torch.dtype) -> None:
    for value in (300.0, 1e-6):
        tensor = torch.full((5000,), value, dtype=dtype)
        signal = exact(tensor)
        assert signal is not None
        assert signal.rms == pytest.approx(float(tensor[0]), rel=1e-5)
        assert signal.mean == pytest.approx(float(tensor[0]), rel=1e-5)


@given(tensors())
def test_between_is_the_share_that_differs_between_samples(tensor: Tensor) -> None:
    values = [numbers(row) for row in tensor] if tensor.ndim else []
    flat = [value for row in values for value in row]
    share = between_share(tensor)
    total = statistics(flat)["rms"] ** 2 if flat else 0.0
    if tensor.ndim < 2 or len(values) < 2 or not all(map(math.isfinite, flat)) or total == 0:
        assert share is None
        return
    columns = list(zip(*values, strict=True))
    means = [math.fsum(column) / len(column) for column in columns]
    deviations = [(value - mean) ** 2 for column, mean in zip(columns, means, strict=True) for value in column]
    assert share == pytest.approx(math.fsum(deviations) / len(flat) / total, rel=1e-6, abs=1e-12)


def test_between_is_zero_for_equal_samples_and_one_for_centered_samples() -> None:
    assert between_share(torch.ones(8, 5)) == 0
    assert between_share(torch.tensor([[1.0, -2.0], [-1.0, 2.0]])) == pytest.approx(1.0)


@pytest.mark.parametrize("length", [LONG - 1, LONG, LONG + 1, 2 * LONG + 5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_norm_is_that_of_all_elements_at_any_length(length: int, dtype: torch.dtype) -> None:
    values = torch.linspace(-3.0, 5.0, length).to(dtype)
    norm = norm_of(values)
    assert norm.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert float(norm) == pytest.approx(float(values.double().square().sum().sqrt()), rel=1e-5)


@pytest.mark.parametrize(
    ("values", "zeros"),
    [([1.0, 2.0], 0.0), ([-1.0, -2.0], 0.0), ([0.0, 2.0, -0.0, 1.0], 0.5), ([0.0, -4.0], 0.5), ([0.0, 0.0], 1.0)],
)
def test_zeros_are_counted_regardless_of_other_signs(values: list[float], zeros: float) -> None:
    found = exact(torch.tensor(values))
    assert found is not None
    assert (found.zero_share, found.abs_max) == (zeros, max(map(abs, values)))


@pytest.mark.parametrize(
    ("most", "count", "expected"),
    [
        (0.0, 10**9, True),
        (1e-18, 1, False),
        (2e-18, 1, True),
        (9e17, 1, True),
        (1e18, 1, False),
        (9e16, 100, True),
        (1e17, 100, False),
        (math.nan, 1, False),
        (math.inf, 1, False),
    ],
)
def test_squares_are_added_in_fp32_only_within_its_range(most: float, count: int, expected: bool) -> None:
    assert safe(most, count) is expected


def test_long_tensors_are_measured_like_short_ones() -> None:
    values = torch.randn(2 * LONG) + 1.0
    values[::4] = 0.0
    found = exact(values)
    assert found is not None
    assert found.mean == pytest.approx(float(values.double().mean()), rel=1e-5)
    assert found.rms == pytest.approx(float(values.double().square().mean().sqrt()), rel=1e-5)
    assert (found.zero_share, found.numel, found.sampled) == (0.25, 2 * LONG, 2 * LONG)


def test_there_are_no_moments_without_a_finite_element() -> None:
    found = careful(torch.tensor([math.nan, math.inf]), 0.25)
    assert (found.numel, found.sampled, found.non_finite, found.zero_share) == (2, 2, 2, 0.25)
    assert all(map(math.isnan, (found.mean, found.rms, found.abs_max)))


def test_non_finite_elements_are_counted_and_left_out_of_the_moments() -> None:
    found = careful(torch.tensor([1e30, -3e30, math.inf]), 0.0)
    assert (found.numel, found.non_finite) == (3, 1)
    assert (found.mean, found.rms, found.abs_max) == pytest.approx((-1e30, 5**0.5 * 1e30, 3e30))
    zeros = careful(torch.tensor([0.0, math.nan]), 0.5)
    assert (zeros.mean, zeros.rms, zeros.abs_max, zeros.non_finite) == (0.0, 0.0, 0.0, 1)


@pytest.mark.parametrize("shape", [(8,), (1, 8)])
def test_one_sample_does_not_differ_from_others(shape: tuple[int, ...]) -> None:
    assert between_share(torch.randn(shape)) is None


@pytest.mark.parametrize(
    "values", [torch.zeros(3, 2), torch.tensor([[1.0], [math.nan]]), torch.tensor([[math.inf], [1.0]])]
)
def test_zero_or_non_finite_samples_have_no_share(values: Tensor) -> None:
    assert between_share(values) is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_difference_within_rounding_is_zero(dtype: torch.dtype) -> None:
    step = torch.finfo(dtype).eps
    one, two, three = (torch.tensor([[1.0], [1.0 + count * step]], dtype=dtype) for count in range(3))
    assert between_share(one) == between_share(two) == 0.0
    assert between_share(three) == pytest.approx(step**2, rel=0.05)

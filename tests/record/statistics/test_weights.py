"""The statistics of a weight, compared with brute-force results."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from inithealth.record.statistics import duplicates
from inithealth.record.statistics.weights import describe, unit_rows
from inithealth.recording import Weight
from tests.record import twins
from tests.record.odd import DTYPES, units


@given(units())
def test_the_share_of_duplicates_does_not_depend_on_the_order_of_the_units(
    drawn: tuple[Tensor, Tensor | None, int],
) -> None:
    rows, bias, _ = drawn
    order = torch.randperm(len(rows))
    shares = [
        weight.duplicate_rows
        for weight in (
            describe("w", rows, rows=rows, bias=bias),
            describe("w", rows[order], rows=rows[order], bias=None if bias is None else bias[order]),
        )
        if weight is not None
    ]
    assert shares[0] == shares[1]


@given(units())
def test_duplicates_zero_units_and_cosine_agree_with_all_pairs(drawn: tuple[Tensor, Tensor | None, int]) -> None:
    rows, bias, groups = drawn
    assume(bool(rows.isfinite().all()))  # 1e30 is infinite in half precision
    weight = describe("w", rows, rows=rows, bias=bias, groups=groups)
    table, offsets = twins.lists(rows), [0.0] * len(rows) if bias is None else bias.tolist()
    first = twins.first_equal(table, offsets, groups)
    repeats = [at for at, row in enumerate(table) if first[at] != at and any(row)]
    assert weight is not None
    assert weight.duplicate_rows == pytest.approx(len(repeats) / len(table) if len(table) > 1 else 0.0)
    assert weight.zero_rows == pytest.approx(sum(not any(row) for row in table) / len(table))
    assert weight.row_cosine == pytest.approx(twins.cosine(table), abs=1e-5)


@st.composite
def matrices(draw: st.DrawFn) -> Tensor:
    values = st.floats(-4, 4, width=32) | st.sampled_from((0.0, math.nan, math.inf))
    rows, columns = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    table = draw(st.lists(values, min_size=rows * columns, max_size=rows * columns))
    size = draw(st.sampled_from((1.0, 1e-30, 1e30)))
    tensor = torch.tensor(table, dtype=torch.float64).reshape(rows, columns) * size
    return tensor.to(draw(st.sampled_from(DTYPES)))


@given(matrices())
def test_a_weight_is_described_by_its_elements(tensor: Tensor) -> None:
    weight = describe("w", tensor, rows=tensor)
    values = twins.numbers(tensor)
    wanted = twins.statistics(values)
    assert weight is not None
    assert weight.shape == tuple(tensor.shape)
    assert weight.rms == pytest.approx(wanted["rms"], rel=1e-5, abs=0, nan_ok=True)
    assert weight.abs_max == pytest.approx(wanted["abs_max"], rel=1e-6, abs=0, nan_ok=True)
    assert (weight.zero_share, weight.non_finite) == (pytest.approx(wanted["zero_share"]), wanted["non_finite"])
    assert weight.constant == (len(values) > 1 and values[0] != 0 and all(value == values[0] for value in values))
    assert weight.half_precision == (tensor.dtype in (torch.bfloat16, torch.float16))


@given(matrices())
def test_std_is_the_deviation_from_the_mean(tensor: Tensor) -> None:
    weight = describe("w", tensor)
    values = [value for value in twins.numbers(tensor) if math.isfinite(value)]
    assume(values)
    top = max(map(abs, values)) or 1.0
    mean = math.fsum(value / top for value in values) / len(values)
    deviation = math.sqrt(math.fsum((value / top - mean) ** 2 for value in values) / len(values))
    assert weight is not None
    assert weight.std == pytest.approx(top * deviation, rel=1e-3, abs=2e-3 * top)


def test_a_gain_is_the_factor_for_an_uncorrelated_signal() -> None:
    rows = torch.randn(200, 300) * 0.1
    weight = describe("w", rows, fan_in=300, rows=rows)
    assert weight is not None
    assert weight.gain is not None
    assert weight.gain == pytest.approx(float((rows @ torch.randn(300, 1000)).std()), rel=0.02)
    vector = describe("v", torch.ones(4))
    assert vector is not None
    assert vector.gain is None


def test_unreadable_tensors_are_not_described() -> None:
    assert describe("w", torch.empty(3, 2, device="meta")) is None
    assert describe("w", torch.empty(0, 2)) is None
    assert describe("w", torch.ones(2, 2, dtype=torch.int8)) is None


def test_a_single_element_is_not_constant_and_zeros_are_reported_as_zeros() -> None:
    one, zeros, threes = (describe("w", tensor) for tensor in (torch.ones(1), torch.zeros(3), torch.full((2, 2), 3.0)))
    assert one is not None
    assert zeros is not None
    assert threes is not None
    assert (one.constant, zeros.constant, threes.constant) == (False, False, True)
    assert zeros.zero_share == 1.0


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_eight_bit_weights_are_described(dtype: torch.dtype) -> None:
    rows = torch.tensor([[1.0, 2.0], [1.0, 2.0], [0.0, 0.0], [-4.0, 0.5]]).to(dtype)
    weight = describe("w", rows, rows=unit_rows(rows, 0))
    assert weight is not None
    assert (weight.duplicate_rows, weight.zero_rows, weight.abs_max) == (0.25, 0.25, 4.0)
    assert not weight.constant


def test_units_along_each_axis() -> None:
    weight = torch.arange(24.0).reshape(2, 3, 4)
    assert unit_rows(weight, 0) is not None
    rows = unit_rows(weight, 1)
    assert rows is not None
    assert rows.tolist() == [weight[:, at].flatten().tolist() for at in range(3)]
    assert unit_rows(torch.ones(3), 0) is None
    assert unit_rows(weight, None) is None
    assert unit_rows(torch.ones(2, 3, device="meta"), 0) is None


def test_a_complex_weight_is_described_by_its_real_pairs() -> None:
    weight = torch.tensor([[1 + 2j, 3j], [1 + 2j, 3j], [0j, 0j]])
    described = describe("w", weight, rows=unit_rows(weight, 0))
    assert described is not None
    assert (described.duplicate_rows, described.zero_rows) == (pytest.approx(1 / 3), pytest.approx(1 / 3))
    assert described.rms == pytest.approx(twins.statistics(twins.numbers(weight))["rms"])
    apart = describe("w", weight, rows=unit_rows(weight, 0), bias=torch.tensor([1j, 2j, 0j]))
    assert apart is not None
    assert apart.duplicate_rows == 0


def test_a_non_finite_weight_has_no_duplicates() -> None:
    rows = torch.full((3, 2), math.nan)
    weight = describe("w", rows, rows=rows)
    assert weight is not None
    assert (weight.non_finite, weight.duplicate_rows, weight.row_cosine) == (6, 0.0, 0.0)


def shown(tensor: Tensor, axis: int | None = 0, groups: int = 1) -> Weight:
    weight = describe("w", tensor, rows=unit_rows(tensor, axis), groups=groups)
    assert weight is not None
    return weight


@given(st.integers(2, 30), st.integers(2, 30), st.integers(0, 99), st.sampled_from((1e-20, 0.02, 1.0, 1e20)))
def test_kurtosis_and_edge_are_those_of_the_elements(rows: int, columns: int, seed: int, size: float) -> None:
    torch.manual_seed(seed)
    tensor = torch.randn(rows, columns).square() * size
    weight, values = shown(tensor), tensor.double() / size
    away = values - values.mean()
    if not 1e-10 < size < 1e10:
        assert (weight.kurtosis, weight.spectral_edge) == (None, None)
        return
    assert weight.kurtosis == pytest.approx(float(away.pow(4).mean() / away.square().mean() ** 2), rel=1e-3)
    if min(rows, columns) < 8:
        assert weight.spectral_edge is None
    else:
        largest = torch.linalg.svdvals(away)[0] / away.square().mean().sqrt()
        wanted = float(largest) / (math.sqrt(rows) + math.sqrt(columns))
        assert weight.spectral_edge is not None
        assert 0.6 * wanted < weight.spectral_edge < 1.001 * wanted


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_distributions_and_spectra_are_measured_in_any_precision(dtype: torch.dtype) -> None:
    normal, uniform = shown(torch.randn(128, 128).to(dtype)), shown(torch.rand(128, 128).to(dtype))
    assert normal.kurtosis == pytest.approx(3.0, abs=0.4)
    assert uniform.kurtosis == pytest.approx(1.8, abs=0.1)
    for weight in (normal, uniform):
        assert weight.spectral_edge == pytest.approx(0.93, abs=0.1)
        assert not weight.orthogonal
    assert shown(torch.nn.init.orthogonal_(torch.empty(40, 90), 1.4).to(dtype)).orthogonal


@pytest.mark.parametrize(
    "odd",
    [torch.zeros(9, 9), torch.full((9, 9), 3.0), torch.full((9, 9), math.nan), torch.full((9, 9), math.inf)],
    ids=["zeros", "constant", "nan", "infinite"],
)
def test_a_constant_has_no_kurtosis_and_no_edge(odd: Tensor) -> None:
    for tensor in (odd, odd.half(), odd.bfloat16()):
        weight = shown(tensor)
        assert (weight.kurtosis, weight.spectral_edge, weight.orthogonal, weight.identity) == (None, None, False, False)


def test_experts_have_an_edge_without_units() -> None:
    experts = torch.randn(4, 32, 48)
    weight = describe("w", experts, fan_in=32, fan_out=48)
    assert weight is not None
    assert weight.spectral_edge == pytest.approx(0.93, abs=0.1)
    position = describe("p", experts)  # not a matrix that multiplies an input
    assert position is not None
    assert position.spectral_edge is None


@pytest.mark.parametrize("shape", [(4, 4), (12, 5), (5, 12), (6, 4, 3, 3), (4, 6, 5), (3, 3, 1, 1)])
def test_the_identity_has_ones_on_the_central_diagonal(shape: tuple[int, ...]) -> None:
    ones = torch.empty(*shape)
    torch.nn.init.eye_(ones) if len(shape) == 2 else torch.nn.init.dirac_(ones)
    assert shown(ones).identity
    assert shown(ones.half()).identity
    assert not shown(2 * ones).identity
    moved = ones.roll(1, 0)
    assert not shown(moved).identity
    ones[-1, 0].fill_(1.0)
    assert not shown(ones).identity


def test_the_identity_of_each_group_is_one_too() -> None:
    depthwise = torch.nn.init.dirac_(torch.empty(6, 1, 3, 3), groups=6)
    assert shown(depthwise, groups=6).identity
    assert not shown(depthwise).identity


def test_a_transposed_convolution_is_orthogonal_as_initialized_by_torch() -> None:
    weight = torch.nn.init.orthogonal_(torch.empty(24, 16, 3, 3))
    assert shown(weight, axis=1).orthogonal
    assert not shown(torch.randn(24, 16, 3, 3), axis=1).orthogonal


@pytest.mark.parametrize("shape", [(40, 90), (100, 70)])
def test_only_half_precision_allows_for_rounding(shape: tuple[int, int]) -> None:
    matrix = torch.nn.init.orthogonal_(torch.empty(*shape))
    matrix[0] *= 1.005
    assert not shown(matrix).orthogonal
    assert shown(matrix.half()).orthogonal


@given(matrices())
def test_tiny_elements_are_counted(tensor: Tensor) -> None:
    weight = describe("w", tensor)
    values = twins.numbers(tensor)
    assert weight is not None
    assert weight.tiny_share == pytest.approx(sum(0 < abs(value) < 1e-20 for value in values) / len(values))


@given(units())
def test_a_fingerprint_distinguishes_weights(drawn: tuple[Tensor, Tensor | None, int]) -> None:
    rows, _, _ = drawn
    mark = shown(rows).fingerprint
    assert 0 <= mark < 2**53
    assert shown(rows.clone()).fingerprint == mark
    assert shown(rows.t().contiguous().t()).fingerprint == mark
    for changed in (rows.flip(0), rows.flip(1)):
        if torch.equal(changed.signbit(), rows.signbit()) and torch.equal(changed, rows):
            assert shown(changed).fingerprint == mark
    torch.manual_seed(0)
    assert shown(torch.randn(rows.shape)).fingerprint != mark


def test_equal_weights_have_one_fingerprint_for_any_memory_layout() -> None:
    memory = torch.randn(64 * 64 + 1)
    one = memory[1:].view(64, 64)
    assert shown(one).fingerprint == shown(one.clone()).fingerprint
    one_off = one.clone()
    one_off[5, 7] += 1e-6
    assert shown(one_off).fingerprint != shown(one).fingerprint


def test_many_units_give_the_same_result_on_another_code_path(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = torch.randn(300, 5)
    rows[200] = rows[100]
    usual = shown(rows)
    monkeypatch.setattr(duplicates, "_MANY", 10)
    monkeypatch.setattr(duplicates, "_BLOCK", 50)
    assert shown(rows).duplicate_rows == usual.duplicate_rows == pytest.approx(1 / 300)
    assert shown(rows[torch.randperm(300)]).fingerprint != shown(rows).fingerprint


def test_describing_a_weight_draws_no_random_numbers() -> None:
    before = torch.get_rng_state()
    shown(torch.full((80, 80), 0.5).tril())
    assert torch.equal(before, torch.get_rng_state())

"""Spectra from a few products, compared with the full singular value decomposition."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor, nn

from inithealth.record.statistics import spectrum
from inithealth.record.statistics.spectrum import kurtosis, orthogonal, spectral_edge, strided

SHAPES = ((8, 8), (8, 64), (64, 8), (32, 32), (96, 64), (64, 576), (128, 128), (600, 200), (200, 600))


def exact_edge(matrix: Tensor) -> float:
    """Return the edge by its definition, from the full decomposition."""
    centred = matrix.double() - matrix.double().mean()
    rows, columns = matrix.shape
    largest = float(torch.linalg.svdvals(centred)[0])
    return largest / (float(centred.square().mean().sqrt()) * (math.sqrt(rows) + math.sqrt(columns)))


def edge(matrix: Tensor) -> float:
    found = spectral_edge(matrix, float(matrix.mean()), float(matrix.std(unbiased=False)))
    assert found is not None
    return found


def spiked(rows: int, columns: int, strength: float) -> Tensor:
    """Return noise with one direction, ``strength`` times as strong as the noise's largest one."""
    left, right = (
        nn.functional.normalize(torch.randn(rows), dim=0),
        nn.functional.normalize(torch.randn(columns), dim=0),
    )
    return torch.randn(rows, columns) + strength * (math.sqrt(rows) + math.sqrt(columns)) * torch.outer(left, right)


@st.composite
def matrices(draw: st.DrawFn) -> Tensor:
    """Return noise of any scale and mean, optionally with a dominant direction, optionally transposed."""
    rows, columns = draw(st.sampled_from(SHAPES))
    torch.manual_seed(draw(st.integers(0, 1000)))
    matrix = spiked(rows, columns, draw(st.sampled_from((0.0, 0.0, 1.5, 4.0))))
    matrix = matrix * draw(st.sampled_from((1e-6, 0.02, 1.0, 1e6)))
    matrix = matrix + draw(st.sampled_from((0.0, 3.0))) * matrix.std()
    return draw(st.sampled_from((matrix, matrix.t(), matrix.t().contiguous().t())))


@given(matrices())
def test_the_edge_is_a_lower_bound_of_the_largest_singular_value(matrix: Tensor) -> None:
    found, wanted = edge(matrix), exact_edge(matrix)
    assert found <= wanted * 1.03  # a faint mean is not removed
    assert found >= wanted * (0.97 if wanted > 1.4 else 0.6)


@pytest.mark.parametrize("shape", SHAPES)
def test_fresh_weights_are_below_the_limit_and_trained_ones_above(shape: tuple[int, int]) -> None:
    fresh = [edge(torch.randn(*shape)) for _ in range(20)] + [edge(torch.rand(*shape)) for _ in range(20)]
    assert max(fresh) < 1.15
    assert min(edge(spiked(*shape, 2.5)) for _ in range(20)) > 1.15


def test_the_edge_does_not_depend_on_scale_or_mean() -> None:
    matrix = torch.randn(64, 96)
    assert edge(matrix * 1e-3) == pytest.approx(edge(matrix), rel=1e-3)
    assert edge(matrix + 5.0) == pytest.approx(edge(matrix), rel=0.05)


def test_large_matrices_are_read_in_pieces_and_partially(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = spiked(600, 200, 3.0)
    whole = edge(matrix)
    monkeypatch.setattr(spectrum, "_PIECE", 1000)
    assert edge(matrix) == pytest.approx(whole, rel=1e-3)
    monkeypatch.setattr(spectrum, "_MOST", matrix.numel() // 2)
    assert edge(matrix) == pytest.approx(exact_edge(matrix[::2]), rel=0.01)


def test_there_is_no_edge_below_eight_rows_or_columns() -> None:
    assert spectral_edge(torch.randn(7, 100), 0.0, 1.0) is None
    assert spectral_edge(torch.randn(100, 7), 0.0, 1.0) is None


def test_no_random_numbers_are_drawn() -> None:
    matrix = torch.randn(70, 80)
    before = torch.get_rng_state()
    edge(matrix)
    orthogonal(matrix, None, 1e-4)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("shape", [(2, 2), (3, 40), (40, 3), (64, 64), (100, 70), (70, 100), (300, 300)])
@pytest.mark.parametrize("gain", [1e-4, 1.0, 1.7])
def test_orthogonal_matrices_are_reported(shape: tuple[int, int], gain: float) -> None:
    matrix = nn.init.orthogonal_(torch.empty(*shape), gain)
    known = edge(matrix) if min(shape) > 7 else None
    assert orthogonal(matrix, known, 1e-4)
    assert orthogonal(matrix, None, 1e-4)
    assert orthogonal(matrix.bfloat16().float(), known, 2e-2)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 99))
def test_orthogonality_is_that_of_the_gram_matrix(rows: int, columns: int, seed: int) -> None:
    torch.manual_seed(seed)
    matrix = torch.randint(-1, 2, (rows, columns)).float()
    gram = matrix @ matrix.t() if rows <= columns else matrix.t() @ matrix
    alike = torch.equal(gram, gram[0, 0] * torch.eye(len(gram)))
    assert orthogonal(matrix, None, 1e-4) == (min(rows, columns) > 1 and alike and bool(gram[0, 0] > 0))


@pytest.mark.parametrize("size", [2, 8, 64, 65, 200])
def test_nearly_orthogonal_matrices_are_not_reported(size: int) -> None:
    matrix = nn.init.orthogonal_(torch.empty(size, size))
    matrix[0] *= 1.05
    assert not orthogonal(matrix, None, 1e-4)
    assert not orthogonal(torch.randn(size, size) / size**0.5, None, 1e-4)


@given(st.lists(st.floats(-100, 100, width=32), min_size=2, max_size=40))
def test_kurtosis_is_the_fourth_moment_over_the_squared_second(numbers: list[float]) -> None:
    mean = math.fsum(numbers) / len(numbers)
    second = math.fsum((number - mean) ** 2 for number in numbers) / len(numbers)
    assume(second > 1e-3)
    fourth = math.fsum((number - mean) ** 4 for number in numbers) / len(numbers)
    assert kurtosis(torch.tensor(numbers), mean) == pytest.approx(fourth / second**2, rel=1e-3)


def test_kurtosis_of_distributions() -> None:
    assert kurtosis(torch.randn(10**5), 0.0) == pytest.approx(3.0, abs=0.1)
    assert kurtosis(torch.rand(10**5), 0.5) == pytest.approx(1.8, abs=0.02)
    assert kurtosis(torch.full((10,), 2.0), 2.0) is None


def test_a_sample_covers_the_whole_tensor() -> None:
    values = torch.arange(10_000.0).reshape(100, 100)
    some = strided(values, 1000)
    assert 800 < len(some) <= 1000
    assert len({int(value) % 100 for value in some}) == 100
    assert strided(values.t(), 1000).sort().values.tolist() == some.sort().values.tolist()
    assert len(strided(values, 10_000)) == 10_000

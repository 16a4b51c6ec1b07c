"""The effective rank of a batch, compared with a singular value decomposition and with known values."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from inithealth.record.statistics.directions import effective


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def by_singular_values(x: Tensor) -> float:
    """Return the same estimate from the singular values of the centered samples, and the lengths of single samples."""
    centred = x.double() - x.double().mean(0)
    values = torch.linalg.svdvals(centred).square()
    total, squares = float(values.sum()), float(values.square().sum())
    lengths = [sum(v * v for v in row) for row in centred.tolist()]
    apart = squares - sum(length**2 for length in lengths)
    return (total**2 - sum(length**2 for length in lengths)) / apart


def shown(output: Tensor, unit_axis: int = -1) -> tuple[float, int]:
    found = effective(output, unit_axis)
    assert found is not None
    return found


@pytest.mark.parametrize("spectrum", [[1.0] * 5, [4.0, 1.0, 1.0, 0.1], [10.0] + [0.3] * 20, [1.0, 1e-3]])
@pytest.mark.parametrize("shift", [0.0, 3.0])
def test_the_ratio_is_that_of_the_singular_values(spectrum: list[float], shift: float) -> None:
    x = normal(40, len(spectrum)) * torch.tensor(spectrum) @ normal(len(spectrum), 60, seed=1) + shift
    directions, seen = shown(x)
    assert seen == 39
    assert directions == pytest.approx(max(1.0, by_singular_values(x)), rel=1e-3)


@pytest.mark.parametrize("count", [1, 2, 8, 32])
def test_equal_directions_are_counted_with_few_samples(count: int) -> None:
    turned, _ = torch.linalg.qr(normal(128, count, seed=2))
    found = [shown(normal(256, count, seed=seed) @ turned.t())[0] for seed in range(20)]
    assert sum(found) / len(found) == pytest.approx(count, rel=0.05)


@pytest.mark.parametrize("samples", [3, 8, 48])
def test_one_direction_is_exact(samples: int) -> None:
    assert shown(normal(samples, 1) @ normal(1, 64, seed=1))[0] == pytest.approx(1.0, abs=1e-4)


def test_the_maximum_follows_from_the_samples() -> None:
    assert shown(normal(8, 256)) == (7.0, 7)
    assert shown(normal(256, 256)) == (47.0, 47)
    directions, seen = shown(normal(256, 5))
    assert seen == 5
    assert 4 < directions <= 5


def test_the_mean_is_not_a_direction() -> None:
    x = normal(40, 6)
    assert shown(x + 100.0)[0] == pytest.approx(shown(x)[0], rel=1e-3)


@pytest.mark.parametrize("value", [0.0, 1.0, 1e25, 3e-20])
def test_identical_outputs_have_none(value: float) -> None:
    assert shown(torch.full((20, 6), value)) == (0.0, 6)


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e12, 1e30])
def test_the_scale_does_not_matter(scale: float) -> None:
    x = normal(40, 30)
    assert shown(x * scale)[0] == pytest.approx(shown(x)[0], rel=1e-3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_any_precision(dtype: torch.dtype) -> None:
    x = normal(40, 30)
    assert shown(x.to(dtype))[0] == pytest.approx(shown(x)[0], rel=0.02)
    assert shown((torch.ones(40, 30) + 1e-3 * x).to(torch.bfloat16))[0] == 0.0  # nothing but rounding


@pytest.mark.parametrize(("noise", "directions"), [(5, False), (12, True)])
def test_differences_of_some_epsilons_are_rounding(noise: float, directions: bool) -> None:
    steps = (noise * normal(48, 6)).round()
    assert (shown(1.0 + torch.finfo(torch.float32).eps * steps)[0] > 0) is directions


def test_two_samples_have_one_direction() -> None:
    assert shown(normal(2, 30)) == (pytest.approx(1.0), 1)


@pytest.mark.parametrize("dtype", [torch.int64, torch.complex64, torch.bool])
def test_only_real_numbers_have_directions(dtype: torch.dtype) -> None:
    assert effective(normal(40, 30).to(dtype)) is None


def test_no_result_for_too_few_or_non_finite_samples() -> None:
    broken = normal(40, 30)
    broken[3, 5] = math.nan
    infinite = normal(40, 30)
    infinite[3, 5] = math.inf
    for output in (broken, infinite, normal(1, 30), normal(30), torch.empty(0, 30), torch.empty(4, 3, device="meta")):
        assert effective(output) is None


def test_feature_maps_count_positions_as_samples() -> None:
    """In each memory layout, two channels of eight have independent signals."""
    signals = normal(8, 2, 6, 6)
    maps = torch.einsum("bkhw,kc->bchw", signals, normal(2, 8, seed=3))
    everything = maps.permute(0, 2, 3, 1).reshape(-1, 8)
    for written in (maps, maps.contiguous(memory_format=torch.channels_last), maps.transpose(2, 3)):
        directions, seen = shown(written, 1)
        assert seen == 8
        assert directions == pytest.approx(by_singular_values(everything), rel=0.3)
        assert directions < 2.2


@pytest.mark.parametrize("shape", [(64, 10, 8), (2, 500, 8), (300, 7, 8), (5, 3, 4, 8)])
def test_all_texts_and_positions_are_sampled(shape: tuple[int, ...]) -> None:
    """The first token of every text is the same; later tokens differ."""
    output = normal(*shape)
    output[:, 0] = 1.0
    directions, _ = shown(output)
    assert directions > 4
    texts, places = shape[0], math.prod(shape[1:-1])
    by_text = shown(normal(texts, *(1 for _ in shape[1:-1]), 8).expand(shape))[0]  # all positions of a text are equal
    by_place = shown(normal(1, *shape[1:]).expand(shape))[0]  # all texts are equal
    assert by_text > min(texts, 8) / 3
    assert by_place > min(places, 8) / 3


@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize("size", [1, 2])
def test_elements_outside_a_slice_are_not_read(axis: int, size: int) -> None:
    everything = torch.full((40, 6, 6, 8), math.nan)
    part = everything.narrow(axis, 0, size)
    part.copy_(normal(*part.shape))
    assert shown(part) == shown(part.contiguous())


def test_a_wide_tensor_is_measured_by_some_of_its_units() -> None:
    x = normal(40, 1000)
    x[:, ::2] = 0.0
    assert shown(x)[0] > 30


def test_the_units_may_be_any_axis() -> None:
    y = normal(40, 30)
    assert shown(y.t(), 0)[0] == pytest.approx(shown(y)[0], rel=1e-6)


def test_the_tensor_and_its_graph_are_unchanged() -> None:
    x = normal(40, 30).requires_grad_()
    before = x.detach().clone()
    effective(x * 1.0)
    assert torch.equal(x.detach(), before)
    assert x.grad is None

"""Sampled statistics, compared with brute-force results for any dtype, shape, layout and magnitude."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.utils.rnn import pack_sequence

from inithealth.record.statistics.exact import between_share, exact
from inithealth.record.statistics.moments import combined
from inithealth.record.statistics.sample import Sample, batched, sample
from inithealth.record.tensors import floating_tensors, plain
from tests.record.odd import FP8, tensors
from tests.record.twins import assert_shows, numbers


@given(tensors())
def test_a_sample_of_all_elements_is_exact(tensor: Tensor) -> None:
    taken = sample(tensor, tensor.numel())
    assert taken is not None
    assert_shows(batched([taken])[0], numbers(tensor))


@given(tensors(), st.integers(4, 64))
def test_a_sample_contains_the_tensors_elements(tensor: Tensor, most: int) -> None:
    taken = sample(tensor, most)
    assert taken is not None
    values = numbers(taken.values)
    whole = [repr(value) for value in numbers(tensor)]
    assert all(repr(value) in whole for value in values)
    assert_shows(batched([taken])[0], values, numel=tensor.numel())


@given(st.lists(tensors(), max_size=6))
def test_measuring_together_equals_measuring_separately(many: list[Tensor]) -> None:
    samples = [taken for tensor in many if (taken := sample(tensor, 10)) is not None]
    for signal, taken in zip(batched(samples), samples, strict=True):
        assert_shows(signal, numbers(taken.values), numel=taken.numel)


@given(st.lists(tensors(), min_size=1, max_size=4))
def test_combined_exact_statistics_are_those_of_all_elements(many: list[Tensor]) -> None:
    signals = [signal for tensor in many if (signal := exact(tensor)) is not None]
    together = [value for tensor in many for value in numbers(tensor)]
    finite = [abs(value) for value in together if math.isfinite(value) and value]
    assume(not finite or max(finite) / min(finite) < 1e150)  # otherwise squares of shares exceed float64
    assert_shows(combined(signals), together)


def test_nothing_combines_to_none() -> None:
    assert combined([]) is None
    assert batched([]) == []


@pytest.mark.parametrize("dtype", FP8)
def test_eight_bit_floats_are_measured(dtype: torch.dtype) -> None:
    tensor = torch.randn(6, 5).to(dtype)
    assert_shows(exact(tensor), numbers(tensor))
    taken = sample(tensor, 30)
    assert taken is not None
    assert_shows(batched([taken])[0], numbers(tensor))


@pytest.mark.parametrize("value", [9e17, 3e-18, 1e30, 1e-30, 3e38, 1e-44])
@pytest.mark.parametrize("count", [7, 3000])
def test_squares_outside_float32_do_not_overflow_or_vanish(value: float, count: int) -> None:
    tensor = torch.full((count,), value)
    assert_shows(exact(tensor), numbers(tensor))
    taken = sample(tensor, count)
    assert taken is not None
    assert_shows(batched([taken])[0], numbers(tensor))


@pytest.mark.parametrize("value", [1e50, 1e-50, 1e200])
def test_a_float64_outside_float32_stays_finite_in_a_sample(value: float) -> None:
    taken = sample(torch.full((100,), value, dtype=torch.float64), 10)
    assert taken is not None
    signal = batched([taken])[0]
    assert signal.non_finite == 0
    assert signal.rms == pytest.approx(value)


def test_samples_of_different_precision_are_measured_together() -> None:
    tensors = [torch.full((8,), 1e50, dtype=torch.float64), torch.full((8,), 2.0), torch.full((8,), 3.0).half()]
    samples = [taken for tensor in tensors if (taken := sample(tensor, 8)) is not None]
    assert [signal.rms for signal in batched(samples)] == pytest.approx([1e50, 2.0, 3.0])


def test_a_signal_scales_its_norm_to_the_whole_tensor() -> None:
    taken = sample(torch.full((4096,), 2.0), 64)
    assert taken is not None
    signal = batched([taken])[0]
    assert signal.sampled <= 64
    assert signal.numel == 4096
    assert signal.norm == pytest.approx(128.0)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.empty(0),
        torch.empty(3, 0, 2),
        torch.ones(3, dtype=torch.int64),
        torch.ones(3, dtype=torch.bool),
        torch.empty(4, device="meta"),
        torch.empty(0, 3).to_sparse(),
    ],
    ids=["empty", "empty-3d", "integer", "bool", "meta", "empty-sparse"],
)
def test_a_tensor_without_real_values_has_no_statistics(tensor: Tensor) -> None:
    assert plain(tensor) is None
    assert exact(tensor) is None
    assert sample(tensor, 10) is None
    assert between_share(tensor) is None


def test_a_sample_is_not_affected_by_in_place_changes() -> None:
    for tensor in (torch.full((10,), 2.0), torch.full((100,), 2.0), torch.full((20, 5), 2.0).t()):
        taken = sample(tensor, 10)
        tensor.zero_()
        assert taken is not None
        assert batched([taken])[0].abs_max == 2.0


@given(st.integers(65, 5000), st.integers(1, 70), st.sampled_from([64, 100, 1024]))
def test_the_sample_size_is_close_to_the_budget(rows: int, width: int, most: int) -> None:
    taken = sample(torch.ones(rows, width), most)
    assert taken is not None
    wanted = min(rows * width, most)
    assert wanted / 8 <= taken.values.numel() <= wanted


@pytest.mark.parametrize("shape", [(512, 64), (64, 512), (64, 8, 96), (32, 64, 8, 8), (4096,), (8, 100, 100)])
@pytest.mark.parametrize("turned", [False, True])
def test_all_features_are_sampled_equally(shape: tuple[int, ...], turned: bool) -> None:
    """One feature in four is a thousand times larger: an aligned stride would read all or none of them."""
    tensor = torch.randn(shape)
    tensor[..., ::4] *= 1000
    tensor = tensor.transpose(0, -1) if turned else tensor
    taken = sample(tensor, 1024)
    assert taken is not None
    share = float((taken.values.abs() > 20).float().mean())
    assert 0.12 < share < 0.5


def test_a_sample_shows_the_scale_of_random_values() -> None:
    taken = [taken for rows in (64, 1000) if (taken := sample(torch.randn(rows, 300) * 3, 1024)) is not None]
    assert [signal.rms for signal in batched(taken)] == pytest.approx([3, 3], rel=0.1)


def test_two_equal_samples_are_both_measured() -> None:
    taken = Sample(torch.ones(4), 4)
    assert len(batched([taken, taken])) == 2


@dataclass
class Output:
    logits: Tensor
    hidden: tuple[Tensor, ...]
    label: str = "a"


def test_tensors_are_found_in_any_container() -> None:
    one, two, three, whole = torch.ones(1), torch.ones(2), torch.ones(3, dtype=torch.complex64), torch.ones(4).long()
    packed = pack_sequence([torch.ones(5)])
    found = list(floating_tensors({"a": [one, whole, None], "b": (Output(two, (three,)), packed, "text", 1.0)}))
    assert [tensor.numel() for tensor in found] == [1, 2, 3, 5]
    assert list(floating_tensors(SimpleNamespace(x=one))) == []
    assert list(floating_tensors(Output)) == []


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_float16_is_distinguished_from_types_with_a_wider_range(dtype: torch.dtype) -> None:
    tensor = torch.linspace(-1, 1, 64).to(dtype)
    taken = sample(tensor, 16)
    assert taken is not None
    (sampled,), exactly = batched([taken]), exact(tensor)
    assert exactly is not None
    both = combined([sampled, exactly])
    assert both is not None
    assert {sampled.float16, exactly.float16, both.float16} == {dtype is torch.float16}


def test_a_slice_is_sampled_in_every_dimension() -> None:
    """As a ViT's patches without the class token: a sample of one image would jump from batch to batch."""
    images = torch.arange(32.0)[:, None, None, None].expand(32, 40, 5, 5)
    part = torch.zeros(32, 41, 5, 5).add_(torch.cat([images, images[:, :1]], 1))[:, 1:].transpose(1, 2)
    assert not part.is_contiguous()
    taken = sample(part, 512)
    assert taken is not None
    assert 200 < taken.values.numel() < 1200
    assert len(taken.values.unique()) > 5

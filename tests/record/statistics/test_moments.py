"""Combined moments, compared with those of all elements."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inithealth.record.statistics.exact import exact
from inithealth.record.statistics.moments import SUMS, Moments, combined

VALUES = st.lists(st.floats(-1e6, 1e6, width=32) | st.sampled_from([0.0, math.nan, math.inf]), min_size=1, max_size=12)


def moments(values: list[float]) -> Moments:
    signal = exact(torch.tensor(values, dtype=torch.float64))
    assert signal is not None
    return Moments.of(signal)


def same(one: Moments, other: Moments) -> bool:
    return one[:2] == other[:2] and one[2:6] == pytest.approx(other[2:6], rel=1e-6, abs=1e-6, nan_ok=True)


@given(VALUES, VALUES)
def test_the_sum_is_that_of_both_tensors_together(one: list[float], other: list[float]) -> None:
    assert same(moments(one) + moments(other), moments(one + other))
    assert (moments(one) + moments(other)).non_finite == moments(one + other).non_finite


@given(VALUES, st.floats(1e-3, 1e3))
def test_a_factor_scales_everything_except_the_counts(values: list[float], factor: float) -> None:
    assert same(moments(values) * factor, moments([value * factor for value in values]))


@given(VALUES, VALUES)
def test_sums_over_processes_are_the_moments_of_all(one: list[float], other: list[float]) -> None:
    mine, whole = moments(one), moments(one + other)
    sums = [a + b for a, b in zip(mine.sums, moments(other).sums, strict=True)]
    found = mine.of_sums(sums)
    assert len(sums) == SUMS
    assert found.abs_max == mine.abs_max or math.isnan(mine.abs_max)
    if whole.finite:
        assert found._replace(abs_max=0.0)[:7] == pytest.approx(whole._replace(abs_max=0.0)[:7], rel=1e-6, abs=1e-6)
    else:
        assert same(found, mine)


def test_a_sample_is_weighted_by_the_elements_that_it_represents() -> None:
    sampled, exactly = Moments(1000, 10, mean=1.0, rms=1.0, abs_max=1.0, zero_share=0.0), moments([0.0] * 1000)
    both = sampled + exactly
    assert (both.numel, both.sampled, both.mean, both.zero_share) == (2000, 1010, 0.5, 0.5)
    assert both.rms == pytest.approx(0.5**0.5)


def test_squares_outside_the_float_range() -> None:
    assert (Moments(2, 2, 0.0, 1e200, 1e200, 0.0) + Moments(2, 2, 0.0, 1e200, 1e200, 0.0)).rms == pytest.approx(1e200)


def test_half_precision_of_one_tensor_is_kept() -> None:
    assert (Moments(1, 1) + Moments(1, 1, float16=True)).float16
    assert not (Moments(1, 1) + Moments(1, 1)).float16


def test_signals() -> None:
    one = exact(torch.tensor([1.0, 2.0]))
    assert one is not None
    assert combined([]) is None
    assert combined([one]) is one
    assert combined([one, one]) == one.model_copy(update={"numel": 4, "sampled": 4})


@pytest.mark.parametrize("other", [2, "2", None])
def test_other_types_cannot_be_added_or_multiplied(other: object) -> None:
    with pytest.raises(TypeError):
        Moments(1, 1) + other  # type: ignore[operator]
    with pytest.raises(TypeError):
        Moments(1, 1) * other  # type: ignore[operator]

"""The taps that read a value, compared with torch's convolutions of ones, tap by tap."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from inithealth.record.statistics.kernel_overlap import pairs_met


def met(size: tuple[int, ...], kernel: tuple[int, ...], sliding: dict[str, Any]) -> Tensor:
    """Return which taps read a value at which output, [taps, outputs], by a convolution of ones for each tap."""
    sliding = dict(sliding)
    transposed = sliding.pop("transposed", False)
    name = f"conv{'_transpose' if transposed else ''}{len(kernel)}d"
    taps = []
    for place in itertools.product(*map(range, kernel)):
        weight = torch.zeros(1, 1, *kernel)
        weight[(0, 0, *place)] = 1.0
        taps.append(getattr(F, name)(torch.ones(1, 1, *size), weight, **sliding).flatten())
    return torch.stack(taps)


def agree(size: tuple[int, ...], kernel: tuple[int, ...], **sliding: Any) -> None:
    places = met(size, kernel, sliding)
    expected = places @ places.T / places.shape[1]
    found = pairs_met(size, kernel, **sliding)
    torch.testing.assert_close(torch.ones_like(expected) if found is None else found, expected)


@pytest.mark.parametrize("transposed", [False, True])
@given(st.data())
def test_the_shares_are_those_of_a_convolution_of_ones(transposed: bool, data: st.DataObject) -> None:
    axes = data.draw(st.integers(1, 2))

    def each(low: int, high: int) -> tuple[int, ...]:
        return tuple(data.draw(st.integers(low, high)) for _ in range(axes))

    size, kernel, stride, padding, dilation = each(1, 9), each(1, 4), each(1, 3), each(0, 2), each(1, 2)
    sliding: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation}
    spans = [(taps - 1) * reach + 1 for taps, reach in zip(kernel, dilation, strict=True)]
    if transposed:
        outputs = [(s - 1) * t + span - 2 * p for s, t, span, p in zip(size, stride, spans, padding, strict=True)]
        sliding["transposed"] = True
    else:
        outputs = [(s + 2 * p - span) // t + 1 for s, t, span, p in zip(size, stride, spans, padding, strict=True)]
    assume(min(outputs) > 0)
    agree(size, kernel, **sliding)


@pytest.mark.parametrize("kernel", [(3,), (5, 3), (3, 3, 3)])
def test_settings_are_those_of_torch(kernel: tuple[int, ...]) -> None:
    size = (6, 7, 8)[: len(kernel)]
    agree(size, kernel, padding="same")
    agree(size, kernel, padding="valid")
    agree(size, kernel, padding=1, stride=2)
    agree(size, kernel, padding=[1], stride=[2], dilation=[1])
    agree(size, kernel, padding=1, stride=2, output_padding=1, transposed=True)


def test_the_result_is_none_if_every_tap_reads_a_value() -> None:
    assert pairs_met((8, 8), (3, 3)) is None
    assert pairs_met((8, 8), (8, 8), stride=8) is None
    assert pairs_met((8,), (1,), transposed=True) is None


def test_many_taps_are_counted_individually() -> None:
    found = pairs_met((24, 24), (13, 13), padding=6)
    assert found is not None
    expected = met((24, 24), (13, 13), {"padding": 6}).mean(1)
    torch.testing.assert_close(found.diagonal(), expected.square())
    torch.testing.assert_close(found.sum(), expected.sum() ** 2)


def test_long_axes_are_counted_partially() -> None:
    found = pairs_met((100_000,), (5,), padding=2)
    assert found is not None
    assert float(found.diagonal().min()) == pytest.approx(1.0, abs=0.01)


def test_no_output_is_an_error() -> None:
    with pytest.raises(ValueError, match="is too large for an input"):
        pairs_met((2,), (3,))

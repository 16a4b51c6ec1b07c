"""The sizes of a layer's signals, and their order."""

from __future__ import annotations

import math

import pytest

from inithealth.page.levels import finite, forward, gain, gradient, in_order, levels, log2, middle
from inithealth.recording import Measurement
from tests.tensorboard.recordings import NUMEL, changed, layer, plain, signal


def test_the_rms_the_gradients_norm_and_the_gain() -> None:
    m = Measurement(layer="a", input=signal(0.5), output=signal(2.0), gradient=signal(0.25))
    assert (forward(m), gain(m)) == (2.0, 4.0)
    assert gradient(m) == pytest.approx(0.25 * math.sqrt(NUMEL))


def test_what_was_not_measured_is_nan_and_what_is_not_finite_is_infinite() -> None:
    empty = signal(0.0).model_copy(update={"sampled": 0})
    for m in (Measurement(layer="a"), Measurement(layer="a", output=empty, gradient=empty, input=signal(0.0))):
        assert all(math.isnan(read(m)) for read in (forward, gradient, gain))
    broken = Measurement(layer="a", input=signal(1.0), output=signal(1.0, non_finite=1), gradient=signal(math.nan))
    assert (forward(broken), gradient(broken), gain(broken)) == (math.inf, math.inf, math.inf)


def test_log2_of_zero_is_minus_infinity() -> None:
    assert (log2(0.25), log2(0.0), log2(math.inf)) == (-2.0, -math.inf, math.inf)
    assert math.isnan(log2(math.nan))
    assert finite([1.0, math.nan, -math.inf]) == [1.0]
    assert levels(changed(plain(1), "layers.0", output=signal(0.0)).steps[0], forward) == {"layers.0": -math.inf}


def test_layers_are_in_forward_order_and_the_median_is_a_measured_level() -> None:
    assert [each.name for each in in_order([layer("b", 1), layer("a", 0)])] == ["a", "b"]
    assert middle([3.0, 1.0, 2.0, 9.0]) == 2.0

"""The distribution of a weight, estimated from its largest element and its kurtosis."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inithealth.record.statistics.weights import describe
from inithealth.theory.distributions import TRUNCATED_STD, Drawn, drawn
from tests.rules.recordings import weight


def of(values: Tensor) -> Drawn:
    found = describe("w", values)
    assert found is not None
    return drawn(found)


def made(kind: str, count: int, seed: int = 0) -> Tensor:
    """Return elements of mean 0; the std of the normal ones is 2, before truncation at two stds."""
    torch.manual_seed(seed)
    if kind == "truncated":
        return nn.init.trunc_normal_(torch.empty(count // 8, 8), std=2.0, a=-4.0, b=4.0)
    return torch.rand(count // 8, 8) * 2 - 1 if kind == "uniform" else 2 * torch.randn(count // 8, 8)


@pytest.mark.parametrize("count", [600, 4096, 100_000])
@pytest.mark.parametrize("kind", ["normal", "uniform", "truncated"])
def test_a_distribution_is_recognized(kind: str, count: int) -> None:
    right = sum(of(made(kind, count, seed)).kind == kind for seed in range(20))
    assert right >= 19


@pytest.mark.parametrize(("kind", "std"), [("normal", 2.0), ("uniform", 3**-0.5), ("truncated", 2 * TRUNCATED_STD)])
def test_its_std_is_within_its_error(kind: str, std: float) -> None:
    found = of(made(kind, 100_000))
    assert found.mean == 0.0
    assert abs(found.std / std - 1) < 4 * found.error < 0.02
    assert found.elements == 100_000


@pytest.mark.parametrize(
    "values",
    [
        torch.distributions.StudentT(3.0).sample((4096,)),
        torch.distributions.Exponential(1.0).sample((4096,)),
        torch.sign(torch.randn(4096)),
        torch.cat([torch.randn(4095), torch.tensor([40.0])]),
    ],
    ids=["heavy tails", "one side", "two values", "an outlier"],
)
def test_other_distributions_are_unknown(values: Tensor) -> None:
    assert of(values.reshape(64, 64)).kind == "unknown"


@pytest.mark.parametrize("changes", [{"non_finite": 1}, {"constant": True}, {"shape": (7, 9)}, {"zero_share": 0.995}])
def test_too_few_elements_are_unknown(changes: dict[str, Any]) -> None:
    found = drawn(weight("w", 1.0, **{"kurtosis": 3.0, "abs_max": 4.0, **changes}))
    assert (found.kind, found.error) == ("unknown", math.inf)
    assert drawn(weight("w", 1.0, kurtosis=3.0, abs_max=4.0)).kind == "normal"


def test_a_mean_within_chance_is_zero() -> None:
    """Its standard error is 1/96 here; up to four of them are chance."""
    assert drawn(weight("w", 1.0, mean=0.041)).mean == 0.0
    assert drawn(weight("w", 1.0, mean=0.041)).std == 1.0
    shifted = drawn(weight("w", 1.0, mean=0.043))
    assert shifted.mean == 0.043
    assert shifted.std == pytest.approx(math.sqrt(1 - 0.043**2))


def test_zeros_among_the_elements_are_ignored() -> None:
    torch.manual_seed(0)
    values = made("normal", 4096)
    values[torch.rand(512, 8) < 0.6] = 0.0
    found = of(values)
    assert found.kind == "normal"
    assert found.std == pytest.approx(2.0, rel=0.06)
    assert found.elements == int((values != 0).sum())


def test_the_bound_is_the_distance_from_the_mean() -> None:
    torch.manual_seed(0)
    found = of(torch.rand(512, 8))
    assert found.kind == "uniform"
    assert found.mean == pytest.approx(0.5, abs=0.02)
    assert found.bound == pytest.approx(0.5, abs=0.02)


def test_half_precision_rounds_more() -> None:
    assert drawn(weight("w", 1.0, half_precision=True)).rounding == 2.0**-8
    assert drawn(weight("w", 1.0)).rounding == 1e-6


def test_an_error_decreases_with_the_square_root_of_the_number() -> None:
    small, large = of(made("normal", 1024)), of(made("normal", 102_400))
    assert small.error / large.error == pytest.approx(10.0)
    assert large.error == pytest.approx(1 / math.sqrt(2 * 102_400), rel=1e-3)


def test_a_billion_normal_numbers_do_not_reach_further_than_torch_draws() -> None:
    found = drawn(weight("w", 0.02, shape=(128_256, 8_192), abs_max=5.72 * 0.02, kurtosis=3.0))
    assert found.kind == "normal"

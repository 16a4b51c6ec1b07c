"""The distribution that a weight was drawn from, estimated from its largest element and its kurtosis."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Literal, NamedTuple

from inithealth.powers import squared
from inithealth.recording import Weight

Kind = Literal["normal", "uniform", "truncated", "unknown"]

TRUNCATED_STD = 0.8796  # of a normal distribution truncated at 2 standard deviations, relative to the untruncated one
_FEWEST = 64  # elements needed to estimate a distribution
_SAMPLED = 4096  # elements, at most, that the kurtosis is computed from
_SURE = 4.0  # standard errors: exceeded by one in 16,000 fresh weights
_LONGEST = 5.7  # std: torch makes normal fp32 numbers on the CPU from uniform ones of 24 bits, and none exceeds 5.77
_RARE = 1e-4  # probability below which a largest element is not considered chance
_HALF_ROUNDING = 2.0**-8  # of bfloat16, relative
_CUT_AT_TWO = 2 / TRUNCATED_STD  # largest element over std
_FEWEST_CUT = 500  # normal elements: with a probability of 1 in 10,000 none exceeds 2.35 std


class Drawn(NamedTuple):
    """The estimated distribution of the non-zero elements."""

    kind: Kind
    mean: float  # 0 if it does not differ significantly from 0
    std: float
    bound: float  # largest absolute deviation from the mean
    elements: int  # number of non-zero elements
    error: float  # standard error of the std, relative to it
    rounding: float  # relative rounding error of one element


def drawn(weight: Weight) -> Drawn:
    """Return the distribution of a weight; of kind "unknown" if none fits or the weight has too few elements."""
    filled = 1 - weight.zero_share
    count = round(math.prod(weight.shape) * filled)
    if count < _FEWEST or weight.non_finite or weight.constant:
        return Drawn("unknown", weight.mean, weight.std, weight.abs_max, count, math.inf, 0.0)
    mean, square = weight.mean / filled, squared(weight.rms) / filled
    std = max(square - squared(mean), 0.0) ** 0.5
    if abs(mean) <= _SURE * std / count**0.5:
        mean, std = 0.0, square**0.5
    rounding = _HALF_ROUNDING if weight.half_precision else 1e-6
    # Zeros only scale the moments, by the share of the elements that are not zero.
    kurtosis = None if weight.kurtosis is None or (mean and weight.zero_share) else weight.kurtosis * filled
    bound = weight.abs_max - abs(mean)
    kind = _kind(bound / std if std > 0 else math.inf, kurtosis, count, filled, rounding, mean == 0)
    spread = {"uniform": 0.447, "truncated": 0.584}.get(kind, 0.707)  # sqrt(kurtosis - 1) / 2
    return Drawn(kind, mean, std, bound, count, spread / math.sqrt(count), rounding)


def _kind(reach: float, kurtosis: float | None, count: int, filled: float, rounding: float, centered: bool) -> Kind:
    """Return the distribution with that largest element, in standard deviations, and that kurtosis."""
    sampled = math.sqrt(min(count, _SAMPLED * filled))
    if _reaches(reach, 3**0.5, 0.447 if centered else 1.0, 10 / count, count, rounding) and _near(
        kurtosis, 1.8, 1.15 / sampled
    ):
        return "uniform"
    cut = count >= _FEWEST_CUT and _reaches(reach, _CUT_AT_TWO, 0.584, 45 / count, count, rounding)
    if cut and _near(kurtosis, 2.365, 2.2 / sampled):
        return "truncated"
    low = min(NormalDist().inv_cdf(max(0.5, 1 - math.log(1 / _RARE) / (2 * count))), _LONGEST)
    high = NormalDist().inv_cdf(1 - _RARE / (2 * count)) * (1 + rounding)
    if low * (1 - rounding) < reach < high * (1 + _SURE * 0.707 / math.sqrt(count)) and _near(
        kurtosis, 3.0, 4.9 / sampled
    ):
        return "normal"
    return "unknown"


def _reaches(reach: float, edge: float, spread: float, short: float, count: int, rounding: float) -> bool:
    """Return whether a largest element is consistent with a distribution that ends at ``edge``."""
    sure = min(_SURE, 2 + count / 250)  # a small normal sample often looks the same: this balances both errors
    chance = sure * spread / math.sqrt(count) + rounding
    return edge * (1 - chance - short) <= reach <= edge * (1 + chance)


def _near(kurtosis: float | None, expected: float, error: float) -> bool:
    # The kurtosis of a normal sample is skewed to the right: the upper tolerance is 1.5 times the lower one.
    return kurtosis is None or -_SURE * error <= kurtosis - expected <= 1.5 * _SURE * error

"""Which distribution a weight was drawn from: told by its largest element and its kurtosis."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Literal, NamedTuple

from inithealth.recording import Weight

Kind = Literal["normal", "uniform", "truncated", "unknown"]

TRUNCATED_STD = 0.8796  # of a normal distribution cut off at 2 standard deviations, in those of the whole one
_FEWEST = 64  # elements that say anything of a distribution
_SAMPLED = 4096  # elements that a kurtosis is taken of, or a little fewer
_SURE = 4.0  # standard errors: one in 16,000 fresh weights lies beyond
_RARE = 1e-4  # chance of a largest element that is not taken for chance
_HALF_ROUNDING = 2.0**-8  # of bfloat16, relative
_CUT_AT_TWO = 2 / TRUNCATED_STD  # largest element over std
_FEWEST_CUT = 500  # normal elements of which none passes 2.35 std: one time in 10,000


class Drawn(NamedTuple):
    """Where the elements that are not zero seem to be drawn from."""

    kind: Kind
    mean: float  # 0 where it is 0 within chance
    std: float
    bound: float  # the largest distance from the mean
    elements: int  # that are not zero
    error: float  # standard error of the std, relative to it
    rounding: float  # relative, of one element


def drawn(weight: Weight) -> Drawn:
    """The distribution of a weight's elements; "unknown" where none of the usual ones fits or too few are there."""
    filled = 1 - weight.zero_share
    count = round(math.prod(weight.shape) * filled)
    if count < _FEWEST or weight.non_finite or weight.constant:
        return Drawn("unknown", weight.mean, weight.std, weight.abs_max, count, math.inf, 0.0)
    mean, square = weight.mean / filled, weight.rms**2 / filled
    std = max(square - mean**2, 0.0) ** 0.5
    if abs(mean) <= _SURE * std / count**0.5:
        mean, std = 0.0, square**0.5
    rounding = _HALF_ROUNDING if weight.half_precision else 1e-6
    # Zeros among them add to the moments what they add to their number: nothing else.
    kurtosis = None if weight.kurtosis is None or (mean and weight.zero_share) else weight.kurtosis * filled
    bound = weight.abs_max - abs(mean)
    kind = _kind(bound / std if std > 0 else math.inf, kurtosis, count, filled, rounding, mean == 0)
    spread = {"uniform": 0.447, "truncated": 0.584}.get(kind, 0.707)  # sqrt(kurtosis - 1) / 2
    return Drawn(kind, mean, std, bound, count, spread / math.sqrt(count), rounding)


def _kind(reach: float, kurtosis: float | None, count: int, filled: float, rounding: float, centred: bool) -> Kind:
    """The distribution with that largest element, in standard deviations, and that kurtosis."""
    sampled = math.sqrt(min(count, _SAMPLED * filled))
    if _reaches(reach, 3**0.5, 0.447 if centred else 1.0, 10 / count, count, rounding) and _near(
        kurtosis, 1.8, 1.15 / sampled
    ):
        return "uniform"
    cut = count >= _FEWEST_CUT and _reaches(reach, _CUT_AT_TWO, 0.584, 45 / count, count, rounding)
    if cut and _near(kurtosis, 2.365, 2.2 / sampled):
        return "truncated"
    low = NormalDist().inv_cdf(max(0.5, 1 - math.log(1 / _RARE) / (2 * count)))
    high = NormalDist().inv_cdf(1 - _RARE / (2 * count)) * (1 + rounding)
    if low * (1 - rounding) < reach < high * (1 + _SURE * 0.707 / math.sqrt(count)) and _near(
        kurtosis, 3.0, 4.9 / sampled
    ):
        return "normal"
    return "unknown"


def _reaches(reach: float, edge: float, spread: float, short: float, count: int, rounding: float) -> bool:
    """Whether a largest element is that of a distribution which ends there."""
    sure = min(_SURE, 2 + count / 250)  # of few elements a normal sample soon looks like that: the errors are balanced
    chance = sure * spread / math.sqrt(count) + rounding
    return edge * (1 - chance - short) <= reach <= edge * (1 + chance)


def _near(kurtosis: float | None, wanted: float, error: float) -> bool:
    # A normal sample's kurtosis leans to the right: half as much again is left for that.
    return kurtosis is None or -_SURE * error <= kurtosis - wanted <= 1.5 * _SURE * error

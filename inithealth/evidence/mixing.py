"""Stacks of attention in which nothing bypasses the mixing of the tokens, so that they become alike."""

from __future__ import annotations

from inithealth.evidence import signal_path
from inithealth.evidence.limits import Limits, limit
from inithealth.recording import Layer, Measurement, Recording

Pair = tuple[Layer, Measurement]


class MixingLimits(Limits):
    """When tokens count as mixed until they are alike."""

    max_token_spread: float = limit(
        0.05,
        "largest share of the values of the last attention that differs between tokens, for tokens to count as alike: "
        "a transformer of 6 layers that lost its skip connections has 0.003 and failed, its twin 0.8",
        unit="share of the mean square",
    )
    min_token_fall: float = limit(
        4.0,
        "smallest ratio of that share at the first attention and at the last one: if the tokens are alike from the "
        "start, the input is the reason",
        unit="ratio",
    )
    min_attentions: int = limit(
        3, "fewest attentions in a row that no skip connection bypasses: fewer may pool", unit="layers"
    )


def mixed(recording: Recording, limits: MixingLimits) -> list[Pair]:
    """Return the layers that compute the values of self-attentions that nothing bypasses, if tokens become alike.

    They are in forward order. None if skip connections bypass most attentions, or if the tokens still differ.
    """
    attentions = [pair for pair in signal_path.measured(recording) if pair[1].token_spread is not None]
    bare = [(layer, m) for layer, m in attentions if not layer.bypassable and layer.reaches_loss]
    if len(bare) < limits.min_attentions or 2 * len(bare) <= len(attentions):
        return []
    first, last = max(spread(pair) for pair in bare), spread(bare[-1])
    return bare if last < limits.max_token_spread and first > limits.min_token_fall * last else []


def spread(pair: Pair) -> float:
    """Return the share of the values that differs between tokens."""
    return pair[1].token_spread or 0.0

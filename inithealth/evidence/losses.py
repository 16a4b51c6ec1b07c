"""The losses of the objective, and whether the network already predicts better than by guessing."""

from __future__ import annotations

import math

from inithealth.evidence.facts import fact, limits_of
from inithealth.evidence.limits import SharedLimits, limit
from inithealth.recording import Loss, Recording


class GuessLimits(SharedLimits):
    """How small the loss of a network without training may be."""

    min_ratio: float = limit(
        0.5,
        "first loss relative to that of random guessing, ln C over C classes; below it the network is trained or the "
        "target leaks: large outputs, large logits and saturated units do no harm then",
        unit="ratio",
    )


def losses_of(recording: Recording) -> tuple[Loss, ...]:
    """Return the losses of the objective, the main one first."""
    return recording.losses or (recording.loss,)


def value_of(recording: Recording, loss: Loss) -> float | None:
    """Return the value of a loss at the first recorded step; None: unknown."""
    if loss.value is None and loss.alone and recording.steps:
        return recording.steps[0].loss
    return loss.value


def guessing(loss: Loss) -> float:
    """Return the loss of random guessing in a classification; 0 for other losses and if it is not known."""
    if loss.kind == "bce_logits":
        return loss.base or 0.0
    return math.log(loss.classes or 2) if loss.kind == "cross_entropy" else 0.0


@fact
def predicts_well(recording: Recording) -> bool:
    """Whether the main loss is a classification's, and far below that of random guessing, as after training."""
    main = losses_of(recording)[0]
    value = value_of(recording, main)
    return value is not None and value < limits_of(recording, GuessLimits).min_ratio * guessing(main)

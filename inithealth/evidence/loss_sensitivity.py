"""How strongly the loss depends on the weights: whether their gradients are larger than rounding."""

from __future__ import annotations

import math

from inithealth.evidence.facts import fact
from inithealth.recording import Layer, Recording, Weight


@fact
def loss_sensitivity(recording: Recording) -> float | None:
    """Return the relative change of the loss for a change of all trained weights by 100 %, by their gradients.

    An upper bound: the sum over the layers of gradient norm times weight norm, over the loss. Weights at zero count
    with the scale of a common initialization. None if the loss or the gradients are not known, or exactly zero.
    """
    loss = recording.steps[0].loss if recording.steps else None
    gradients = {name: m.weight_gradient for name, m in recording.first.items() if m.weight_gradient is not None}
    total = sum(
        gradients[layer.name] * _norm(layer, weight)
        for layer, weight in recording.weighted
        if weight.trainable and layer.name in gradients
    )
    if loss is None or not math.isfinite(loss) or loss == 0.0 or not math.isfinite(total) or total == 0.0:
        return None
    return total / abs(loss)


def _norm(layer: Layer, weight: Weight) -> float:
    """Return the norm of a weight, at least that of a common initialization."""
    return max(weight.rms, 1 / math.sqrt(weight.fan_in or 1)) * math.sqrt(math.prod(weight.shape))

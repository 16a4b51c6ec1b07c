"""How much the first optimizer step would change the weights of a deep normalized network without skip connections.

Normalization removes the scale of the weights from the forward pass, but not from the training: the gradient is
inversely proportional to the weights, so a step changes small weights by a large factor.
"""

from __future__ import annotations

import math

from inithealth.evidence import signal_path
from inithealth.evidence.limits import Limits, limit
from inithealth.layer_kinds import PROJECTIONS
from inithealth.recording import Layer, Measurement, Recording, Weight
from inithealth.theory.gains import target_gain

_SGD, _ADAM = 0.01, 0.001  # usual learning rates, for networks without an optimizer


class FirstStepLimits(Limits):
    """How much the first optimizer step may change the weights."""

    max_first_change: float = limit(
        0.5,
        "largest relative change of the weights by the first step of SGD, summed over the normalized layers that no "
        "skip connection bypasses: stacks of 16 layers trained with 0.4 and failed with 0.55",
        unit="sum of relative changes",
    )
    max_first_change_adaptive: float = limit(
        0.85,
        "the same for Adam and other adaptive optimizers: stacks of 16 layers trained with 0.4 and failed with 0.9",
        unit="sum of relative changes",
    )
    min_layers_in_a_row: int = limit(
        8, "fewest normalized layers without skip connections that are checked", unit="layers"
    )


def unstable_layers(recording: Recording, limits: FirstStepLimits) -> tuple[list[Layer], float]:
    """Return the layers that the first step changes too much in total, and that total; no layers if it is healthy.

    Without a known learning rate, both SGD and Adam have to change them too much at their usual rates.
    """
    rows = [row for layer, m in signal_path.main_path(recording) if (row := _row(layer, m)) is not None]
    if recording.branches or _normalizes_over_batch(recording) or len(rows) < limits.min_layers_in_a_row:
        return [], 0.0
    layers = [layer for layer, _, _ in rows]
    plain = sum(m.weight_gradient / _norm(weight) for _, weight, m in rows if m.weight_gradient is not None)
    adaptive = sum(1.0 / weight.rms for _, weight, _ in rows)
    if recording.rate is None:
        both = plain * _SGD > limits.max_first_change and adaptive * _ADAM > limits.max_first_change_adaptive
        return (layers, plain * _SGD) if both else ([], 0.0)
    total = recording.rate * (adaptive if recording.adaptive else plain)
    most = limits.max_first_change_adaptive if recording.adaptive else limits.max_first_change
    return (layers, total) if total > most else ([], total)


def _normalizes_over_batch(recording: Recording) -> bool:
    """Whether a normalization uses the statistics of the batch: such networks recover from a large first step."""
    return any(layer.kind == "norm" and "BatchNorm" in layer.type_name for layer in recording.layers)


def octaves_from_target(layer: Layer) -> float:
    """Return the octaves by which a weight's gain is above (or below: negative) the expected gain."""
    return math.log2(layer.gain / target_gain(layer)) if layer.gain else 0.0


def _row(layer: Layer, m: Measurement) -> tuple[Layer, Weight, Measurement] | None:
    """Return a normalized layer with what its change depends on; None for other layers."""
    weight = layer.weight
    if weight is None or not weight.trainable or layer.head or layer.kind not in PROJECTIONS or layer.transformed:
        return None
    known = 0.0 < weight.rms < math.inf and m.weight_gradient is not None and math.isfinite(m.weight_gradient)
    return (layer, weight, m) if known and (layer.normed or layer.reads_norm) else None


def _norm(weight: Weight) -> float:
    return weight.rms * math.sqrt(math.prod(weight.shape))

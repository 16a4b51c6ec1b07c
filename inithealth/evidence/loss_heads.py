"""The layers that a loss receives its predictions from, and what makes these predictions too large."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from inithealth.evidence import signal_path
from inithealth.recording import Layer, Loss, Recording

LARGE_HEAD = "large head"  # the variant of findings whose cause is the head itself
_MOST_OF = 0.5  # smaller outputs than this share of the largest hardly contribute to the predictions
_AMPLIFIES = 4.0  # gain of a head that is too large; common initializations have 1.4 at most


def heads_of(recording: Recording, loss: Loss) -> list[Layer]:
    """Return the layers that most of the predictions come from: one head, or both factors of a product."""
    if not loss.heads:
        return [layer for layer, _ in signal_path.measured(recording) if layer.head][-1:]
    return largest_of(recording, loss.heads)


def largest_of(recording: Recording, names: Collection[str]) -> list[Layer]:
    """Return those of some layers whose outputs have about the size of the largest one."""
    measured = signal_path.measured(recording)
    sizes = [(layer, m.output.rms) for layer, m in measured if layer.name in names and m.output is not None]
    largest = max((rms for _, rms in sizes), default=0.0)
    return [layer for layer, rms in sizes if not rms < _MOST_OF * largest]


def is_between_layers(heads: Sequence[Layer]) -> bool:
    """Whether a loss compares outputs of layers, as those of a codebook: its target is not data."""
    return [layer.kind for layer in heads] == ["embedding"] or any(not layer.head for layer in heads)


def variant_of(recording: Recording, heads: Sequence[Layer]) -> str:
    """Return whether the heads amplify their inputs, as opposed to passing on inputs that are too large already."""
    measured = signal_path.first(recording)
    gains = [measured[layer.name].gain for layer in heads if layer.name in measured]
    return LARGE_HEAD if gains and all(gain is not None and gain > _AMPLIFIES for gain in gains) else ""


def multiplied_after(recording: Recording, heads: Sequence[Layer], logits_std: float) -> float | None:
    """Return the factor by which the code multiplies the outputs of a healthy head; None if the head is too large."""
    measured = signal_path.first(recording)
    outputs = [measured[layer.name].output for layer in heads if layer.name in measured]
    largest = max((output.rms for output in outputs if output is not None), default=0.0)
    factor = logits_std / largest if largest > 0 else 0.0
    return factor if factor > _AMPLIFIES and not variant_of(recording, heads) else None


def is_biased(recording: Recording, heads: Sequence[Layer]) -> bool:
    """Whether the bias makes up most of the predictions."""
    measured = signal_path.first(recording)
    outputs = [(layer.bias, measured[layer.name].output) for layer in heads if layer.name in measured]
    return any(bias is not None and output is not None and bias.rms > 0.5 * output.rms for bias, output in outputs)

"""Text of findings: numbers with three digits, lists of layers, singular and plural."""

from __future__ import annotations

from collections.abc import Sequence

from inithealth.layer_names import is_position
from inithealth.recording import Layer, Step

_MOST_NAMES = 3


def number(value: float) -> str:
    """Return a number with three significant digits, without an exponent from 1e-3 to 1e5."""
    size = abs(value)
    if 1e2 <= size < 1e5:
        return f"{value:.0f}"
    return f"{value:.3g}" if size == 0 or 1e-3 <= size < 1e2 else f"{value:.2g}"


def times(factor: float) -> str:
    """Return a factor: ``2.9x``, ``50x``, ``1.9e+08x``."""
    return f"{factor:.0f}x" if 10 <= factor < 1e5 else f"{factor:.2g}x"


def count(amount: int, noun: str) -> str:
    """Return a number with its noun: ``1 layer``, ``6 layers``."""
    return f"{amount} {noun}" if amount == 1 else f"{amount} {noun}s"


def verb(amount: int, singular: str, plural: str) -> str:
    """Return the form of a verb that agrees with the number of subjects."""
    return singular if amount == 1 else plural


def seen_at(step: Step) -> str:
    """Return `` at step 7``, with the step at which the loss became non-finite; empty for the first step."""
    since = "" if step.since is None else f" (the loss was not finite at step {step.since})"
    return f" at step {step.index}{since}" if step.index else ""


def called(layer: Layer) -> str:
    """Return the layer's name; ``layer 2`` if it is only the number from an ``nn.Sequential``."""
    return f"layer {layer.name}" if is_position(layer.name) else layer.name


def span(layers: Sequence[Layer]) -> str:
    """Return the names of layers in forward order: ``fc1, fc2``, ``layers.20 ... layers.25 (6 layers)``."""
    every = list(dict.fromkeys(called(layer) for layer in sorted(layers, key=lambda layer: layer.index)))
    return names_of(every, "layers")


def names_of(names: Sequence[str], noun: str = "tensors") -> str:
    """Return names in their order: all of a few, else the first and the last one and their number."""
    if len(names) <= _MOST_NAMES:
        return ", ".join(names)
    return f"{names[0]} ... {names[-1]} ({len(names)} {noun})"

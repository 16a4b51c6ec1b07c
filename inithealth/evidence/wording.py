"""How findings speak: numbers to three digits, layers in forward order, singular and plural."""

from __future__ import annotations

from collections.abc import Sequence

from inithealth.layer_names import is_position
from inithealth.recording import Layer, Step

_MOST_NAMES = 3


def number(value: float) -> str:
    """Three significant digits, without an exponent from a thousandth to a hundred thousand."""
    size = abs(value)
    if 1e2 <= size < 1e5:
        return f"{value:.0f}"
    return f"{value:.3g}" if size == 0 or 1e-3 <= size < 1e2 else f"{value:.2g}"


def times(factor: float) -> str:
    """``2.9x``, ``50x``, ``1.9e+08x``."""
    return f"{factor:.0f}x" if 10 <= factor < 1e5 else f"{factor:.2g}x"


def count(amount: int, noun: str) -> str:
    """``1 layer``, ``6 layers``."""
    return f"{amount} {noun}" if amount == 1 else f"{amount} {noun}s"


def verb(amount: int, singular: str, plural: str) -> str:
    """The form that agrees with so many subjects."""
    return singular if amount == 1 else plural


def seen_at(step: Step) -> str:
    """`` at step 7``, and when it was first seen; nothing at the first step."""
    since = "" if step.since is None else f" (the loss was not finite at step {step.since})"
    return f" at step {step.index}{since}" if step.index else ""


def called(layer: Layer) -> str:
    """What the layer is called; the bare number that ``nn.Sequential`` gives it would not look like a name."""
    return f"layer {layer.name}" if is_position(layer.name) else layer.name


def span(layers: Sequence[Layer]) -> str:
    """A group of layers in forward order: ``fc1``, ``fc1, fc2``, ``layers.20 ... layers.25 (6 layers)``."""
    every = list(dict.fromkeys(called(layer) for layer in sorted(layers, key=lambda layer: layer.index)))
    if len(every) <= _MOST_NAMES:
        return ", ".join(every)
    return f"{every[0]} ... {every[-1]} ({len(every)} layers)"

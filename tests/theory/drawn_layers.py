"""Layers with weights initialized by torch, at different positions, and the names of their schemes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from inithealth.record.statistics.weights import describe, unit_rows
from inithealth.recording import Layer
from inithealth.theory.schemes import SCHEME_NAMES, with_schemes

Draw = Callable[[Tensor], object]

# shape, kind, axis of the units, groups
PLACES: dict[str, tuple[tuple[int, ...], str, int, int]] = {
    "linear": ((300, 112), "linear", 0, 1),
    "conv": ((40, 16, 3, 3), "conv", 0, 1),
    "depthwise": ((192, 1, 3, 3), "conv", 0, 192),
    "transposed": ((40, 24, 4, 4), "conv", 1, 1),
    "embedding": ((500, 72), "embedding", 0, 1),
}


def layer(weight: Tensor, place: str = "linear", name: str = "fc", **more: Any) -> Layer:
    """Return one layer of a network at a position."""
    _, kind, axis, groups = PLACES[place]
    rows = unit_rows(weight, axis)
    assert rows is not None
    fan_in, fan_out = rows.shape[1], rows.shape[0] * math.prod(weight.shape[2:]) // groups
    if kind == "embedding":
        fan_in, fan_out = 1, weight.shape[1]
    shown = describe(f"{name}.weight", weight, rows=rows, fan_in=fan_in, fan_out=fan_out, groups=groups)
    known = {"kind": kind, "type_name": "Custom", "module": name, "index": 0, "unit_axis": axis, "groups": groups}
    return Layer.model_validate({**known, "name": name, "weight": shown, **more})


def text(*layers: Layer, at: int = 0) -> str:
    scheme = with_schemes(layers)[at].scheme
    assert scheme is not None
    assert scheme.name in SCHEME_NAMES
    return scheme.text


def drawn(draw: Draw, place: str, seed: int, **more: Any) -> Layer:
    torch.manual_seed(seed)
    weight = torch.empty(*PLACES[place][0])
    draw(weight)
    return layer(weight, place, **more)


def gpt(scale: Callable[[int], float], blocks: int = 6, std: float = 0.02, width: int = 64) -> list[Layer]:
    """Return two residual branches per block; the last layer of each has its std times ``scale`` of its position."""
    torch.manual_seed(0)
    layers = []
    for place in range(2 * blocks):
        inner, end = torch.randn(3 * width, width) * std, torch.randn(width, 3 * width) * std * scale(place)
        layers.append(layer(inner, name=f"h.{place // 2}.{place % 2}.in", feeds="activation", activation="gelu"))
        layers.append(layer(end, name=f"h.{place // 2}.{place % 2}.out", ends_branch=True, bypassable=True))
    return layers

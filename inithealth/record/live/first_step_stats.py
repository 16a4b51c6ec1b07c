"""Values of single layers that are measured at the first step only, from the saved tensors of its graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from inithealth.record.failures import Failures
from inithealth.record.graph.flow import Flow
from inithealth.record.saved import operands, phases, sampling, token_spread
from inithealth.record.saved.attention import sharpness
from inithealth.theory.activation_table import BY_NAME

Layers = Mapping[int, str]  # operation -> layer
Stats = dict[str, dict[str, Any]]  # layer -> fields of its measurement


def attention(flow: Flow, layer_at: Layers, stats: Stats, failures: Failures) -> None:
    """Add the sharpness of each attention."""
    found = sharpness(flow, layer_at)
    for layer, why in found.unread.items():
        failures.setdefault(f"the logits of the attention that {layer} feeds", why)
    for layer, (std, top, keys) in found.readings.items():
        stats.setdefault(layer, {}).update(attention_std=std, attention_top=top, attention_keys=keys)


def tokens(flow: Flow, layer_at: Layers, stats: Stats, rows: int | None) -> None:
    """Add the share of the values of each self-attention that differs between tokens."""
    for layer, share in token_spread.token_spreads(flow, layer_at, rows).items():
        stats.setdefault(layer, {})["token_spread"] = share


def sampling_points(flow: Flow, layer_at: Layers, stats: Stats) -> None:
    """Add the share of the sampling points that are outside the signal."""
    for source, share in sampling.outside_shares(flow).items():
        if source in layer_at:
            stats.setdefault(layer_at[source], {})["outside_share"] = share


def phases_of_sines(flow: Flow, layer_at: Layers, stats: Stats, parameter: Callable[[str], Tensor | None]) -> None:
    """Add the phase between neighboring samples in the first layers of sine networks."""
    for index, layer in layer_at.items():
        target = None if flow.follows[index] else flow.activation(index)
        if target is None or not BY_NAME[target.name].periodic or flow.operations[index].kind != "linear":
            continue
        fed = operands.operands(flow, index, parameter)
        step = None if fed is None else phases.phase_step(fed, target.scale)
        stats.setdefault(layer, {})["phase_step"] = step

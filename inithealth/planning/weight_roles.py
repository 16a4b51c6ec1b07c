"""The roles of weights in a whole initialization: how each is initialized, and why."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import NamedTuple

from inithealth.evidence import fixes
from inithealth.operations import Operation
from inithealth.recording import Layer, Weight
from inithealth.theory.activations import row_of
from inithealth.theory.gains import target_gain
from inithealth.theory.recipes import is_recurrent

_HEAD = 1 / math.sqrt(3.0)  # gain of PyTorch's default
_SCHEMES = {"kaiming": "He", "xavier": "Xavier", "lecun": "LeCun"}


class Role(NamedTuple):
    """A role; those of a function are in the order of their ranks."""

    rank: int
    title: str
    reason: str


TIED = Role(0, "Embeddings that are also the head", "small, so that the logits start with a std of 1")
FACTORS = Role(1, "Embeddings that are multiplied with each other", "small, so that the loss starts near guessing")
STREAM = Role(
    2,
    "Embeddings that a normalization reads",
    "std 1 / sqrt(width): small rows learn faster",
)
TABLES = Role(3, "Embeddings", "std 1, as the next layer expects inputs with an rms of 1")
RECURRENT = Role(10, "Recurrent weights", "orthogonal, so that repeated products neither shrink nor grow the state")
INPUTS = Role(11, "Input weights of recurrent layers", "Xavier, so that the gates start where they are not flat")
CHAIN = Role(12, "Deep chains", "orthogonal, so that all directions of the signal pass through many layers")
ATTENTION = Role(13, "Projections of attention", "Xavier, so that the scores start moderate and no key dominates")
SHARP = Role(13, "Queries and keys of unscaled products", "smaller, so that the scores start with a std of 1")
PLAIN = Role(14, "Layers without an activation", "Xavier, which keeps the scale of the signal and of its gradient")
ENDS = Role(
    30, "Last layers of residual branches", "divided by the root of their number, so that their sum keeps its scale"
)
HEAD = Role(31, "Heads", "a third of the variance that keeps the signal, so that the predictions start near guessing")
NORMS = Role(40, "Normalizations", "1, so that the outputs have an rms of 1")
BIASES = Role(41, "Biases", "0, so that no unit prefers a value before it has seen data")
PADDING = Role(42, "Padding", "0, so that padding adds nothing")
FIXES = Role(50, "Start values", "those that fix what a check of this model found")


class Network(NamedTuple):
    """What the role of a weight depends on beyond its layer."""

    tied: Mapping[str, float]  # parameters that are an embedding and a head, with their stds
    sharp: Mapping[str, float]  # queries and keys that need smaller weights than others, with their stds
    chains: Collection[str]  # parameters of deep chains
    normalized: bool  # there are normalization layers
    summed: bool  # the sum of residual branches is not normalized


def role_of(layer: Layer, weight: Weight, network: Network) -> Role:
    """Return the role of a weight."""
    if layer.kind == "norm":
        return NORMS
    if layer.kind == "embedding":
        return _table(layer, weight, network)
    if is_recurrent(layer):
        return RECURRENT if "hh" in weight.name.rpartition(".")[2] else INPUTS
    if layer.ends_branch and network.summed and not (layer.normed or layer.scales):
        return ENDS
    if layer.head and layer.activation is None:
        return HEAD
    if weight.name in network.chains:
        return CHAIN
    if layer.feeds == "attention":
        return SHARP if weight.name in network.sharp else ATTENTION
    return _activated(layer)


def operations_for(role: Role, layers: list[Layer], network: Network) -> tuple[Operation, ...]:
    """Return the operations that initialize the weights of one role."""
    if role in (TIED, SHARP):
        stds = {**network.tied, **network.sharp}
        return fixes.redraw(layers, [stds[layer.parameter] for layer in layers]).operations
    if role == STREAM:
        return fixes.redraw(layers, [1 / math.sqrt(layer.shape[-1]) for layer in layers]).operations
    if role == TABLES:
        return fixes.redraw(layers, [1.0] * len(layers)).operations
    if role == FACTORS:
        return fixes.redraw(layers, [min(0.1, 1 / math.sqrt(layer.shape[-1])) for layer in layers]).operations
    if role == HEAD:
        return fixes.redraw(layers, [_HEAD / math.sqrt(_fan_in(layer)) for layer in layers]).operations
    if role in (RECURRENT, CHAIN):
        return fixes.orthogonal(layers).operations
    if role == INPUTS:
        return fixes.xavier(layers).operations
    return fixes.each(layers).operations


def _table(layer: Layer, weight: Weight, network: Network) -> Role:
    if weight.name in network.tied:
        return TIED
    if layer.feeds in ("gate", "attention", "loss") or layer.head:
        return FACTORS
    added = layer.feeds == "residual" or (layer.feeds == "unknown" and network.normalized)
    return STREAM if added or layer.feeds == "norm" or layer.normed else TABLES


def _activated(layer: Layer) -> Role:
    row = row_of(layer)
    if row is None or row.function is None:
        return PLAIN
    scheme = _SCHEMES.get(row.scheme, "")
    gain = f"{target_gain(layer) * layer.multiplied:.3g}"
    if not scheme or not row.gain_name or layer.activation_parameters:
        reason = f"std = {gain} / sqrt(fan_in), as the activation divides the rms by {gain}"
    elif scheme == "Xavier":
        reason = "Xavier, so that the outputs start where the activation is not flat"
    else:
        reason = f"{scheme}, which keeps the rms of the signal from layer to layer"
    return Role(15, f"Layers before {row.name}", reason)


def _fan_in(layer: Layer) -> int:
    return (layer.weight.fan_in if layer.weight is not None else None) or max(layer.shape[-1:], default=1)

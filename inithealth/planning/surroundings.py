"""What the initialization of a layer depends on beyond the layer itself: gates, peers, deep chains, ties."""

from __future__ import annotations

from collections.abc import Sequence

from inithealth.evidence.roles import block_role, grouped
from inithealth.layer_names import split_positions
from inithealth.recording import Layer, Recording, weighted
from inithealth.theory.activations import row_of
from inithealth.theory.recipes import is_recurrent

_DEEP = 8  # layers: over fewer, random weights change the singular values of their product little


def is_gated(layer: Layer) -> bool:
    """Return whether a layer computes the gates of a recurrent module."""
    return is_recurrent(layer) and layer.type_name.removesuffix("Cell") != "RNN"


def with_peers(recording: Recording) -> tuple[Layer, ...]:
    """Return the layers; those that this batch did not use have the role of their peers, as experts do."""
    known = {_pattern(layer): layer for layer in reversed(recording.layers) if layer.kind != "other"}
    found = []
    for layer in recording.layers:
        peer = known.get(_pattern(layer))
        if layer.kind != "other" or peer is None or peer.weight is None or layer.weight is None:
            found.append(layer)
            continue
        fans = {"fan_in": peer.weight.fan_in, "fan_out": peer.weight.fan_out}
        own = {"name": layer.name, "index": layer.index, "weight": layer.weight.model_copy(update=fans)}
        found.append(peer.model_copy(update={**own, "module": layer.module, "bias": layer.bias}))
    return tuple(found)


def _pattern(layer: Layer) -> tuple[str, tuple[int, ...]]:
    return split_positions(layer.parameter).pattern, layer.shape


def tied_heads(layers: Sequence[Layer]) -> frozenset[str]:
    """Return the parameters that are an embedding and a head."""
    tables = {layer.parameter for layer in layers if layer.kind == "embedding"}
    return frozenset(layer.parameter for layer in layers if layer.head and layer.parameter in tables)


def chains(layers: Sequence[Layer]) -> frozenset[str]:
    """Return the parameters of deep chains: repeated square layers with nothing else that keeps the signal's scale."""
    alone = [layer for layer, _ in weighted(layers) if _is_link(layer)]
    deep = (role for role in grouped(alone, block_role) if len(role) >= _DEEP)
    return frozenset(layer.parameter for role in deep for layer in role)


def _is_link(layer: Layer) -> bool:
    """Whether a layer is square, nearly linear for small inputs, and neither normalized nor bypassed."""
    row = row_of(layer)
    linear = (layer.activation is None and layer.feeds == "layer") or (row is not None and row.linear_at_zero)
    square = len(layer.shape) == 2 and layer.shape[0] == layer.shape[1]
    kept = layer.normed or layer.reads_norm or layer.bypassable
    return layer.kind == "linear" and square and linear and layer.inner and not kept and layer.multiplied == 1.0

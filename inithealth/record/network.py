"""The properties of the whole network: normalization, residual branches, loss, inputs."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from inithealth.layer_kinds import ELEMENTWISE
from inithealth.record.layers.inventory import Inventory
from inithealth.record.live.observer import Observer
from inithealth.recording import (
    Decay,
    ForwardWrite,
    GeneratedWeight,
    Layer,
    Loss,
    OneSidedParameter,
    Signal,
    Singularity,
    Weight,
    ZeroFactor,
    weighted,
)

_SMALL_SCALE = 0.5  # a learned scale below it reduces the gradient of its branch; scales usually start at 1


@dataclass(frozen=True)
class Network:
    """The fields of :class:`inithealth.recording.Recording` with the same names."""

    model: str
    loss: Loss
    losses: tuple[Loss, ...]
    inputs: dict[str, Signal]
    lost_writes: dict[str, float]
    forward_writes: dict[str, ForwardWrite]
    exact: bool
    graph: bool
    normalized: bool
    trunk_normalized: bool
    branches: int
    differentiated: bool
    layer_scale: bool
    flat: str = ""
    zero_factors: tuple[ZeroFactor, ...] = ()
    decays: tuple[Decay, ...] = ()
    generated: tuple[GeneratedWeight, ...] = ()
    singularity: Singularity | None = None
    one_sided: tuple[OneSidedParameter, ...] = ()


def network_of(
    model: nn.Module, inventory: Inventory, observer: Observer, forward_writes: dict[str, ForwardWrite]
) -> Network:
    """Return the properties shown by the layers and the graph of the last step; without a graph, by the layers only."""
    flow, layers = observer.flow, inventory.layers
    return Network(
        model=type(model).__name__,
        loss=observer.loss,
        losses=observer.losses,
        inputs=observer.network_inputs,
        lost_writes=inventory.lost_writes,
        forward_writes=forward_writes,
        exact=observer.exact,
        graph=flow is not None,
        normalized=bool(flow.norms) if flow is not None else any(layer.kind == "norm" for layer in layers),
        trunk_normalized=flow is not None and flow.trunk_normalized,
        branches=flow.branches if flow is not None else 0,
        # A loss that contains derivatives: the graph also includes the backward nodes of layers.
        differentiated=flow is not None and any(name.endswith("Backward") for name in flow.graph.names),
        layer_scale=any(_starts_near_zero(*pair) for pair in weighted(layers)),
        flat=observer.zeros.flat,
        zero_factors=observer.zeros.factors,
        decays=observer.decays,
        generated=observer.generated,
        singularity=observer.zeros.singularity,
        one_sided=observer.one_sided,
    )


def _starts_near_zero(layer: Layer, weight: Weight) -> bool:
    """Return whether a learned scale or a branch end starts near zero: small gradients are expected in its branch."""
    if not layer.bypassable:
        return False
    if layer.kind in ELEMENTWISE:
        return weight.abs_max < _SMALL_SCALE
    return layer.ends_branch and weight.abs_max == 0.0

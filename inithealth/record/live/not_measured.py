"""What is not measured, and why: compiled layers, and unknown operations."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from inithealth.record.graph.flow import Flow
from inithealth.record.layers.naming import Naming
from inithealth.recording import Layer
from inithealth.theory.activation_table import BY_NAME


def not_measured(
    compiled: Sequence[Layer], measured: Collection[str], at: Collection[str], flow: Flow | None, naming: Naming
) -> dict[str, str]:
    """Return what is not measured -> why.

    Args:
        compiled: the layers that run compiled.
        measured: names of the compiled modules whose outputs were measured.
        at: names of the layers whose operations are in the graph.
    """
    shown = {layer.split(" (as")[0] for layer in at}
    hidden = [layer for layer in compiled if layer.name not in shown]
    found = _compiled(hidden, measured)
    for what, why in _unread(flow, naming, {layer.name for layer in hidden}).items():
        found.setdefault(what, why)
    return found


def _compiled(hidden: Sequence[Layer], measured: Collection[str]) -> dict[str, str]:
    found = {}
    for seen, what in (
        (True, "the gradient at its output, and what it feeds, are not measured, because it runs compiled"),
        (False, "only its weights are measured, because it was compiled before it was watched"),
    ):
        layers = [layer.name for layer in hidden if (layer.module in measured) is seen]
        if layers:
            found[layers[0]] = f"{what} ({len(layers)} such layers)"
    if hidden:
        found["the place of compiled layers in the network"] = "inithealth.check(model, batch) runs them eagerly"
    return found


def _unread(flow: Flow | None, naming: Naming, known: Collection[str]) -> dict[str, str]:
    """Return the tensors and operations of the graph that could not be read, and why."""
    if flow is None:
        return {}
    found = {}
    if flow.graph.packed:
        found["tensors saved by a checkpoint or offloading"] = "reading them would run the forward pass again"
    for name, node in flow.unread.items():
        if naming.layer(name) not in known:
            found.setdefault(naming.layer(name), f"unknown operation {node}")
    if flow.unknown:
        found[", ".join(flow.unknown)] = "unknown operation: the signal is assumed to pass through it unchanged"
    if flow.unjudged:
        found[", ".join(flow.unjudged)] = "no known gain: the signal is assumed to pass through it unchanged"
    for layer in _frequencies(flow, naming):
        found[f"the frequencies of {layer}"] = "which ones are right depends on details of the target"
    for name in sorted(_activations(flow)):
        if BY_NAME[name].doubt:
            found[f"the gain of {name}"] = BY_NAME[name].doubt
    return found


def _frequencies(flow: Flow, naming: Naming) -> list[str]:
    """Return the layers whose weights are the frequencies of a sine of the network's inputs."""
    first = [node for node, layer in flow.operations.items() if not flow.follows[node] and layer.kind == "linear"]
    targets = {node: flow.activation(node) for node in first}
    names = naming.layers(flow)
    return sorted({names[node] for node, target in targets.items() if target and BY_NAME[target.name].periodic})


def _activations(flow: Flow) -> set[str]:
    """Return the names of the activations that are followed by another layer."""
    targets = (flow.activation(node) for node in flow.operations)
    return {target.name for target in targets if target is not None and flow.leads_on[target.node]}

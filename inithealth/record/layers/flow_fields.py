"""The fields of a layer that come from the flow: what its output feeds, and how the gradient reaches it."""

from __future__ import annotations

from inithealth.layer_uses import Feeds
from inithealth.record.graph.flow import Flow
from inithealth.record.graph.gradient_paths import looks_up_padding

# What an output feeds, the most informative first.
_PRIORITY: tuple[Feeds, ...] = ("activation", "norm", "attention", "gate", "residual", "positions", "layer", "loss")


def place_in_flow(flow: Flow | None, nodes: list[int]) -> dict[str, object]:
    """Return the fields for the position of the layer in the network."""
    if flow is None or not nodes:
        return {}
    targets = flow.meets[nodes[0]]
    whats = {target.what for target in targets}
    activation = flow.activation(nodes[0])
    return {
        "activation": activation.name if activation else None,
        "activation_parameters": activation.parameters if activation else (),
        "multiplied": activation.scale if activation else 1.0,
        "feeds": next((what for what in _PRIORITY if what in whats), "unknown"),
        "normed": "norm" in whats and not flow.is_trunk(nodes[0]),
        "reads_norm": flow.reads_norm(nodes[0]),
        "reads_input": not any(flow.follows[node] for node in nodes),
        "reads_trunk": flow.reads_trunk(nodes[0]),
        "scales": flow.scales[nodes[0]],
        "ends_branch": any(node in flow.branch_ends for node in nodes),
        "bypassable": all(node not in flow.essential for node in nodes),
        "doubled": any(flow.doubled(node) for node in nodes),
        "head": all(flow.is_head(node) for node in nodes),
        "steers": next((use for node in nodes if (use := flow.steers(node))), ""),
    }


def ways_to_loss(flow: Flow | None, nodes: list[int]) -> dict[str, bool]:
    """Return the fields for how a layer affects the loss, given the nodes of its operations or its parameter."""
    if flow is None or not nodes:
        return {}
    return {
        "scores_only": not any(flow.valued[node] for node in nodes),
        "only_selects": not any(flow.weighs[node] for node in nodes),
        "exempt_zero_gradient": all(not flow.moved[node] or looks_up_padding(flow.graph, node) for node in nodes),
    }

"""The share of the points outside the signal at which a sampling node reads it."""

from __future__ import annotations

import torch
from torch import Tensor

from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.flow import Flow
from inithealth.record.saved.deformable import outside_by_offsets

_BILINEAR, _BICUBIC = 0, 2  # torch's interpolation modes; the nearest element has no slope anywhere
_REFLECTION = 2  # torch's padding mode in which no point is outside


def outside_shares(flow: Flow) -> dict[int, float]:
    """Return for each operation that gives positions the share of its points that are outside the sampled signal.

    Beyond its border the sampled values are constant, so that the positions get no gradient there. If the positions
    are used several times, as for feature maps of several sizes, the use with the smallest share counts.
    """
    shares: dict[int, float] = {}
    for node, sources in flow.steered.items():
        found = _outside(flow, node)
        if found is None or not found.numel():
            continue
        share = float(found.float().mean())
        shares |= {source: min(share, shares.get(source, share)) for source in sources}
    return shares


def _outside(flow: Flow, node: int) -> Tensor | None:
    """Return which points of a grid are more than one element outside; None if the grid is unknown or has no border."""
    graph = flow.graph
    if "offsets" in vocab.node(graph.names[node]).traits:
        return outside_by_offsets(graph, node)
    signal_name, grid_name = vocab.node(graph.names[node]).saved or ("", "")
    signal, grid = graph.saved(node, signal_name), graph.saved(node, grid_name)
    if not isinstance(signal, Tensor) or not isinstance(grid, Tensor) or grid.shape[-1] != signal.ndim - 2:
        return None
    mode, padding = graph.saved(node, "interpolation_mode"), graph.saved(node, "padding_mode")
    if mode not in (None, _BILINEAR, _BICUBIC) or padding == _REFLECTION:
        return None
    sizes = torch.tensor(signal.shape[:1:-1], dtype=torch.float32, device=grid.device)  # x first, as in a grid
    corners = graph.saved(node, "align_corners") in (None, True)  # cuDNN's sampling saves none, and aligns them
    beyond = 2 / (sizes - 1).clamp_min(1) if corners else 1 / sizes
    return ~(grid.float().abs() <= 1 + beyond).all(-1)

"""The points at which a deformable convolution reads its input: those of a convolution, plus offsets in pixels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from inithealth.record.graph.graph import Graph


def outside_by_offsets(graph: Graph, node: int) -> Tensor | None:
    """Return which points that would be inside the image without their offset are outside of it; None if unknown.

    A point is outside if bilinear interpolation gives zero there: one pixel or more from the nearest pixel.
    """
    saved, how = graph.saved_tensors(node), _settings(graph.nodes[node])
    if saved is None or how is None or len(saved) < 3 or saved[0].ndim != 4 or saved[1].ndim != 4:
        return None
    signal, weight, offsets = saved[:3]
    taps, (rows, columns) = tuple(weight.shape[2:]), offsets.shape[-2:]
    moved = offsets.detach().float().reshape(len(offsets), -1, *taps, 2, rows, columns)  # y before x
    regular = torch.stack(
        torch.broadcast_tensors(
            _regular(taps[0], rows, *how[0]).view(taps[0], 1, rows, 1),
            _regular(taps[1], columns, *how[1]).view(1, taps[1], 1, columns),
        ),
        2,
    ).to(moved.device)
    sizes = torch.tensor(signal.shape[2:], device=moved.device).view(2, 1, 1)
    starts_inside = _inside(regular, sizes).expand(*moved.shape[:4], rows, columns)
    return ~_inside(regular + moved, sizes)[starts_inside]


def _inside(points: Tensor, sizes: Tensor) -> Tensor:
    return ((points > -1) & (points < sizes)).all(-3)


def _regular(taps: int, positions: int, stride: int, padding: int, dilation: int) -> Tensor:
    """Return the places of all taps at all positions along one axis, without offsets."""
    numbers = torch.arange(max(taps, positions), device="cpu")
    return numbers[:taps, None] * dilation + numbers[None, :positions] * stride - padding


def _settings(node: Any) -> tuple[tuple[int, int, int], tuple[int, int, int]] | None:
    """Return stride, padding and dilation of both axes; None if the node has no such attributes."""
    names = ("stride", "pad", "dilation")
    found = [[getattr(node, f"{name}_{axis}", None) for name in names] for axis in "hw"]
    if not all(isinstance(value, int) for axis in found for value in axis):
        return None
    return tuple(found[0]), tuple(found[1])  # type: ignore[return-value]

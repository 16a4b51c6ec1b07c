"""Which units of an activation are dead and how much of it is saturated, from what its node saved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from inithealth.record.graph import Graph
from inithealth.record.operations import Operation

_MOST = 2**20  # elements read of one activation: a step must stay cheap, and units show themselves in far fewer


@dataclass(frozen=True)
class Activity:
    """Counts of one activation, still on the device."""

    dead: Tensor | None
    units: int
    samples: int
    saturated: Tensor | None


def of_node(graph: Graph, node: int, name: str, *fed_by: Operation) -> Activity | None:
    """The activity of an activation node; None for kinds that neither die nor saturate, or whose tensors are gone."""
    if name not in ("relu", "tanh", "sigmoid"):
        return None
    values = graph.saved(node, "result")
    if not isinstance(values, Tensor):
        values = graph.saved(node, "self")
        values = values.relu() if name == "relu" and isinstance(values, Tensor) else None
    if values is None or values.numel() == 0 or values.ndim == 0:
        return None
    units = _units_first(values, conv=any(operation.kind == "conv" for operation in fed_by))
    if name == "relu":
        return Activity((units.amax(1) <= 0).sum(), units.shape[0], units.shape[1], None)
    if name == "tanh":
        flat = values.abs() > 0.97
    else:
        flat = (values < 0.03) | (values > 0.97)
    return Activity(None, units.shape[0], units.shape[1], flat.float().mean())


def _units_first(values: Tensor, conv: bool) -> Tensor:
    """[units, samples]: convolutions count channels on axis 1, all else on the last."""
    if conv and values.ndim > 2:
        rows = values.movedim(1, 0).flatten(1)
    else:
        rows = values.reshape(-1, values.shape[-1]).t()
    stride = max(1, rows.numel() // _MOST)
    return rows[:, ::stride]


def summary(found: Sequence[Activity]) -> dict[str, Any]:
    """The fields of a Measurement: over several calls a unit counts as dead by the most lively of them."""
    dead = [a for a in found if a.dead is not None]
    saturated = [a for a in found if a.saturated is not None]
    result: dict[str, Any] = {}
    if dead:
        liveliest = min(dead, key=lambda a: float(a.dead) / a.units if a.dead is not None else math.inf)
        result |= {
            "dead_share": float(liveliest.dead) / liveliest.units,  # type: ignore[arg-type]
            "dead_samples": sum(a.samples for a in dead),
            "units": liveliest.units,
        }
    if saturated:
        shares = torch.stack([a.saturated for a in saturated if a.saturated is not None])
        result |= {"saturated_share": float(shares.mean()), "units": saturated[0].units}
    return result

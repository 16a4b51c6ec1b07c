"""The data collected in one step, before it is reduced to measurements."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch.autograd.graph import Node

from inithealth.record.live.readings import Readings
from inithealth.record.saved.unit_activity import Activity


@dataclass
class StepBuffer:
    """The data of the current step."""

    readings: Readings
    first: bool  # whether it is the first recorded step
    graph_wanted: bool  # whether its graph will be read
    units: dict[str, list[Activity]] = field(default_factory=dict)
    first_step_stats: dict[str, dict[str, Any]] = field(
        default_factory=dict
    )  # layer -> values measured at the first step only
    output_rank: dict[str, dict[str, Any]] = field(default_factory=dict)  # module -> effective rank of its first output
    # module -> address and shape of its last output
    output_places: dict[str, tuple[int, tuple[int, ...]]] = field(default_factory=dict)
    called: dict[str, None] = field(default_factory=dict)  # modules in the order of their first call
    produced: dict[Node, str] = field(default_factory=dict)  # grad_fn of a module's output -> module

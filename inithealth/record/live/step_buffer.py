"""What one step has shown so far, until it ends and becomes numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch.autograd.graph import Node

from inithealth.record.live.readings import Readings
from inithealth.record.saved.unit_activity import Activity


@dataclass
class StepBuffer:
    """One step, as far as it has got."""

    readings: Readings
    first: bool  # nothing has been described yet
    graph_wanted: bool  # its graph is going to be read
    units: dict[str, list[Activity]] = field(default_factory=dict)
    first_step_stats: dict[str, dict[str, Any]] = field(
        default_factory=dict
    )  # layer -> what is measured at the first step alone
    output_rank: dict[str, dict[str, Any]] = field(default_factory=dict)  # module -> directions of its first output
    output_places: dict[str, int] = field(default_factory=dict)  # module -> address of its last output
    called: dict[str, None] = field(default_factory=dict)  # modules in the order of their first call
    produced: dict[Node, str] = field(default_factory=dict)  # grad_fn of a module's output -> module

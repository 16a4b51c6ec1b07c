"""Collects the autograd nodes of a network's loss, the unknown ones, and those of them that a report lists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import Node

import inithealth
from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.order import base_name
from inithealth.record.tensors import floating_tensors

from ..nets import Case, Net


@dataclass(frozen=True)
class Walked:
    """The nodes found in one architecture."""

    name: str
    nodes: int
    unknown: tuple[str, ...]
    unreported: tuple[str, ...]


def walked(net: Net) -> Walked:
    """Return the nodes of the graph that a check of a network has read."""
    torch.manual_seed(0)
    case, found = net.build(), dict[str, int]()

    def loss(output: Any) -> Tensor:
        value = _loss(case, output)
        if not found:  # only the first pass is recorded
            for node in _nodes(value):
                name = base_name(node.name())
                found[name] = found.get(name, 0) + 1
        return value

    report = inithealth.check(case.model, case.batch, loss=loss)
    named = {name for line in report.not_measured for name in line.partition(": ")[0].split(", ")}
    unknown = tuple(sorted(name for name in found if not vocab.known(name)))
    return Walked(net.name, sum(found.values()), unknown, tuple(name for name in unknown if name not in named))


def _loss(case: Case, output: Any) -> Tensor:
    """Return the loss of a case: the given one, the model's own, or the sum of all outputs."""
    if case.loss is not None:
        return case.loss(output)
    own = output.get("loss") if isinstance(output, dict) else getattr(output, "loss", None)
    return own if isinstance(own, Tensor) else torch.stack([each.sum() for each in floating_tensors(output)]).sum()


def _nodes(value: Tensor) -> Iterator[Node]:
    """Yield every node that a tensor depends on, once."""
    stack = [value.grad_fn] if value.grad_fn is not None else []
    seen = set(stack)
    while stack:
        node = stack.pop()
        yield node
        for producer, _ in node.next_functions:
            if producer is not None and producer not in seen:
                seen.add(producer)
                stack.append(producer)
